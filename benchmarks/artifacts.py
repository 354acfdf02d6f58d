"""The artifact store on a folder and on a real HDFS of this machine: seconds to put, copy out and collect.

`make bench-artifacts`, or `python -m benchmarks.artifacts URL` for a store elsewhere (a new folder; it is left there).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.stopping import end_by_sigterm
from seatrial.storage.artifacts import ArtifactStore
from seatrial.storage.garbage import collect
from seatrial.storage.location import open_storage
from seatrial.uploads.send import Parcel
from tests.hdfs.cluster import hdfs_cluster
from tests.storages import files_of

LARGE, SMALL, FILES = 200 * 2**20, 4096, 200


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", nargs="?", help="artifact store, as in SEATRIAL_ARTIFACTS")
    url = parser.parse_args().url
    with tempfile.TemporaryDirectory(prefix="seatrial-artifacts-") as text:
        folder = Path(text)
        _uploads(folder)
        if url:
            found = {"store": measure(url, folder)}
        else:
            with hdfs_cluster() as cluster:
                urls = {"folder": (folder / "store").as_uri(), "hdfs": cluster.url("store")}
                found = {name: measure(url, folder) for name, url in urls.items()}
    print(json.dumps({"ok": True, "large_mb": LARGE / 2**20, "small_files": FILES, **found}))
    return 0


def _uploads(folder: Path) -> None:
    for name, sizes in {"large": [LARGE], "small": [SMALL] * FILES}.items():
        (folder / name).mkdir()
        for at, size in enumerate(sizes):
            (folder / name / f"{at}.bin").write_bytes(os.urandom(size))


def measure(url: str, folder: Path) -> dict[str, float]:
    """Seconds of each. "again" finds all files there; "collect" removes the small ones and keeps the large one."""
    store, found = ArtifactStore(open_storage(url, "url")), {}

    def timed(name: str, act: Callable[[], object]) -> object:
        began = time.perf_counter()
        answer = act()
        found[f"{name}_s"] = round(time.perf_counter() - began, 3)
        print(f"  {url}: {name} {found[f'{name}_s']} s", flush=True)
        return answer

    trees: dict[str, str] = {}
    for name in ("large", "small"):
        files = Parcel.of(folder / name).digests
        source = files_of(folder / name)
        trees[name] = str(timed(f"put_{name}", lambda source=source, files=files: store.put(source, files)))
        timed(f"put_{name}_again", lambda source=source, files=files: store.put(source, files))
        timed(f"copy_{name}", lambda name=name, files=files: store.copy_to(files, folder / "copies" / name))
        assert Parcel.of(folder / "copies" / name).digests == files
    large = frozenset({trees["large"], *store.files(trees["large"]).values()})
    removed = timed("collect", lambda: collect(store, lambda: large, dry_run=False, grace_s=-60.0))
    assert isinstance(removed, list)
    assert len(removed) == FILES + 1
    return found


if __name__ == "__main__":
    end_by_sigterm()
    sys.exit(main())
