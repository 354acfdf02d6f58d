"""What a poll of the watcher costs beside 10 000 old uploads, on a folder and on a real HDFS: `make bench-watch`.

Seconds and listings of the first poll of all (no upload had its run), of the first one after a restart (all had), and
of polls in which none, one and ten uploads changed. Beside it what looking at everything costs.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from benchmarks.stopping import end_by_sigterm
from seatrial.settings import TreeLimits
from seatrial.storage.port import Entry
from seatrial.uploads.done import CompleteUpload
from seatrial.uploads.roots import UploadRoot, open_roots
from seatrial.uploads.survey import folders, observe
from seatrial.uploads.watch import Watch
from tests.hdfs.cluster import SUPERUSER, hdfs_cluster

POLL_S, QUIET_POLLS, SHARE = 2.0, 20, 0.01
Send = Callable[[str], object]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--uploads", type=int, default=10_000)
    number = parser.parse_args().uploads
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="seatrial-watching-") as folder:
        root = Path(folder)
        found["folder"] = measure(root.as_uri(), number, lambda name: _send_to_folder(root, name))
    with hdfs_cluster() as cluster, httpx.Client(trust_env=False, timeout=60) as http:
        url = f"http://{cluster.address}/webhdfs/v1/uploads"
        found["hdfs"] = measure(cluster.url("uploads"), number, lambda name: _send_to_hdfs(http, url, name))
    cheap = {
        name: one["quiet"]["listings"] <= SHARE * one["naive"]["listings"]
        and one["restart"]["listings"] <= SHARE * one["naive"]["listings"]
        for name, one in found.items()
    }
    print(json.dumps({"ok": all(cheap.values()), "uploads": number, **found}))
    return 0 if all(cheap.values()) else 1


def _send_to_folder(root: Path, name: str) -> None:
    (root / name / "samples").mkdir(parents=True)
    (root / name / "_SUCCESS").touch()


def _send_to_hdfs(http: httpx.Client, url: str, name: str) -> None:
    who = {"user.name": SUPERUSER}
    made = http.put(f"{url}/{name}/samples", params={"op": "MKDIRS", **who})
    asked = http.put(f"{url}/{name}/_SUCCESS", params={"op": "CREATE", "noredirect": "true", **who})
    assert made.is_success
    assert http.put(asked.json()["Location"]).status_code == 201


class Counted:
    """The listings of a storage, counted."""

    def __init__(self, root: UploadRoot) -> None:
        self._storage, self.listings = root.storage, 0

    def __call__(self, folder: str) -> list[Entry]:
        self.listings += 1
        return self._storage.entries(folder)


class Watched:
    def __init__(self, root: UploadRoot, done: dict[str, CompleteUpload]) -> None:
        self._lister, self._now_s = Counted(root), 0.0
        self._watch = Watch(self._lister, root.name_of, 5.0, done.get, TreeLimits.files)

    def poll(self) -> tuple[list[CompleteUpload], dict[str, Any]]:
        self._lister.listings, began = 0, time.perf_counter()
        found = self._watch.poll(self._now_s)
        self._now_s += POLL_S
        return found, {"s": round(time.perf_counter() - began, 4), "listings": self._lister.listings}

    def quiet(self) -> dict[str, Any]:
        """The median poll without change; what changed before is left alone by then."""
        for _ in range(10):
            self.poll()
        return _median(self.poll()[1] for _ in range(QUIET_POLLS))


def _median(polls: Iterable[dict[str, Any]]) -> dict[str, Any]:
    polls = list(polls)
    return {name: statistics.median(poll[name] for poll in polls) for name in polls[0]}


def measure(url: str, number: int, send: Send) -> dict[str, Any]:
    (root,) = open_roots((url,))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(send, (f"old-{at:05}" for at in range(number))))
    print(f"{root.url}: {number} uploads", flush=True)
    found: dict[str, Any] = {}

    def note(name: str, figures: dict[str, Any]) -> None:
        found[name] = figures
        print(f"  {name:9} {figures['s']:8.3f} s {figures['listings']:8.0f} listings", flush=True)

    note("naive", _naive(root))
    first, figures = Watched(root, {}).poll()
    assert len(first) == number
    note("first", figures)
    watched = Watched(root, {upload.name: upload for upload in first})
    note("restart", watched.poll()[1])
    note("quiet", watched.quiet())
    for changed in (1, 10):
        for at in range(changed):
            send(f"new-{changed}-{at}")
        told, figures = watched.poll()
        assert len([upload for upload in told if "new-" in upload.name]) == changed
        note(f"{changed} changed", figures)
        watched.quiet()
    return found


def _naive(root: UploadRoot) -> dict[str, Any]:
    lister, began = Counted(root), time.perf_counter()
    for entry in folders(lister("")):
        observe(root.name_of(entry.name), entry.name, lister(entry.name), lister, TreeLimits.files)
    return {"s": round(time.perf_counter() - began, 3), "listings": lister.listings}


if __name__ == "__main__":
    end_by_sigterm()
    sys.exit(main())
