"""The upload watcher on a real HDFS whose NameNode restarts, hangs and comes back."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from operators.daemon_threads import in_thread
from operators.root_watcher import RootWatcher
from seatrial.storage.location import HdfsFolder, parse_location
from seatrial.storage.webhdfs import WebHdfs
from seatrial.uploads.roots import UploadRoot, open_roots
from tests.airflow.stores import AsyncStore
from tests.airflow.watchers import Log, told
from tests.hdfs.cluster import HdfsCluster
from tests.models import write_upload
from tests.storages import hdfs_place, put

IMPATIENT_S, PATIENT_S = 0.2, 90.0


class Root:
    """A new upload root on HDFS. The watcher's storage has no patience, so that it meets every trouble."""

    def __init__(self, cluster: HdfsCluster, name: str) -> None:
        found = parse_location(cluster.url(f"roots/{name}"), "test")
        assert isinstance(found, HdfsFolder)
        self._mine = WebHdfs(found, patience_s=PATIENT_S)
        self.watched = UploadRoot(found, WebHdfs(found, patience_s=IMPATIENT_S))

    def send(self, name: str) -> None:
        for file in ("model.yaml", "samples/a", "_SUCCESS"):
            data = f"{name}/{file}".encode()
            put(self._mine, f".incoming-{name}/{file}", data)
        self._mine.rename_folder(f".incoming-{name}", name)

    def watcher(self, log: Log) -> RootWatcher:
        return RootWatcher(
            self.watched.url, lambda: self.watched, AsyncStore(), log, poll_s=0.05, settle_s=2, most_files=10
        )


def test_uploads_made_while_the_namenode_restarts_are_told_once_each(broken: HdfsCluster) -> None:
    root, log, seen = Root(broken, "restart"), Log(), Counter[str]()

    async def collect() -> None:
        async for payload in root.watcher(log).run():
            seen[payload["upload"].rpartition("/")[2]] += 1

    async def until(condition: Callable[[], bool]) -> None:
        while not condition():
            await asyncio.sleep(0.01)

    async def story() -> None:
        watching = asyncio.create_task(collect())
        await in_thread(lambda: root.send("before"))
        broken.stop("NameNode", how=signal.SIGKILL)
        await until(lambda: any(line.startswith("upload root") for line in log))
        broken.start("NameNode")
        await in_thread(lambda: root.send("meanwhile"))
        await in_thread(lambda: root.send("after"))
        await until(lambda: {"before", "meanwhile", "after"} <= seen.keys())
        broken.stop("NameNode", how=signal.SIGKILL)
        broken.start("NameNode")
        await in_thread(lambda: root.send("last"))
        await until(lambda: "last" in seen)
        watching.cancel()

    asyncio.run(asyncio.wait_for(story(), 240))
    assert seen == dict.fromkeys(("before", "meanwhile", "after", "last"), 1)
    began = [line for line in log if line.startswith("upload root") and "well again" not in line]
    assert 1 <= len(began) <= 3, "trouble is logged as it begins, not at each poll"


def test_a_namenode_that_hangs_delays_no_other_root(broken: HdfsCluster, tmp_path: Path) -> None:
    root, local = Root(broken, "hangs"), open_roots((tmp_path.as_uri(),))[0]
    upload = write_upload(tmp_path / "a", model=False)
    watchers: list[Any] = [
        root.watcher(Log()),
        RootWatcher(local.url, lambda: local, AsyncStore(), Log(), poll_s=0.05, settle_s=2, most_files=10),
    ]
    broken.signal("NameNode", signal.SIGSTOP)
    assert told(watchers, 1) == [str(upload)]


def test_an_upload_that_is_written_over_on_hdfs_is_told_again(cluster: HdfsCluster) -> None:
    root, names, place = Root(cluster, "anew"), list[str](), hdfs_place(cluster, "roots/anew")

    async def story() -> None:
        async for payload in root.watcher(Log()).run():
            names.append(payload["id"])
            if len(names) == 2:
                return
            for file in ("model.yaml", "_SUCCESS"):
                place.overwrite(f"a/{file}", b"anew")

    root.send("a")
    asyncio.run(asyncio.wait_for(story(), 60))
    assert len(set(names)) == 2
