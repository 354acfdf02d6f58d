"""One upload root watched from the triggerer's event loop, which it never blocks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

from airflow.sdk.exceptions import AirflowRuntimeError

from operators.daemon_threads import in_thread
from seatrial.errors import SeatrialError
from seatrial.storage.port import Entry
from seatrial.uploads.done import CompleteUpload, Records, field_of, pruned, records, shard_of, shards_of
from seatrial.uploads.pending import Pending
from seatrial.uploads.roots import UploadRoot
from seatrial.uploads.watch import Watch

SLOW_S = 30.0
"""A poll that takes longer is logged, as trouble."""

AGAIN_S = 30.0
"""A root in trouble is opened again so often."""

PRUNE_S = 3600.0
"""Records of uploads that are gone are dropped so often."""


class RootWatcher:
    """Tells each complete upload of a root, at least once, and again until its record is in the state store.

    The records are written by whoever starts the runs. Trouble is logged when it begins and when it ends.
    """

    def __init__(
        self,
        url: str,
        open_root: Callable[[], UploadRoot],
        store: Any,
        log: Any,
        *,
        poll_s: float,
        settle_s: float,
        most_files: int,
    ) -> None:
        """`store` and `log` are the trigger's. `open_root` may block; it is asked again when it failed, and
        while the root is in trouble: what it opens the root with may have been mended."""
        self._url, self._open_root, self._store, self._log = url, open_root, store, log
        self._poll_s, self._settle_s, self._most_files = poll_s, settle_s, most_files
        self._trouble_s: float | None = None

    async def run(self) -> AsyncIterator[dict[str, Any]]:
        """The payload of an event for each upload, for ever."""
        looks: _Looks | None = None
        while True:
            try:
                looks = await self._opened(looks)
                for upload in await self._complete(looks):
                    yield _payload(looks.root, upload)
                for upload in await self._lost(looks):
                    yield _payload(looks.root, upload)
                await self._prune(looks)
                self._trouble_ended()
            except (SeatrialError, AirflowRuntimeError) as error:
                self._trouble_began(str(error))
            await asyncio.sleep(self._poll_s)

    async def _opened(self, looks: _Looks | None) -> _Looks:
        """The root as it was, or opened anew when it is in trouble: then what was seen of it stays known."""
        if looks and (self._trouble_s is None or time.monotonic() - looks.opened_s < AGAIN_S):
            return looks
        if looks:  # one that cannot be opened now is looked at as it was until the next time
            looks.opened_s = time.monotonic()
        root = await in_thread(self._open_root)
        if looks and looks.root.url == root.url:
            looks.root = root
            return looks
        pending = Pending(await self._records(shards_of(root.url)))
        self._log.info("watching %s, where %d uploads had their run", root.url, len(pending.done))
        return _Looks(root, pending, self._settle_s, self._most_files)

    async def _complete(self, looks: _Looks) -> list[CompleteUpload]:
        now_s = time.monotonic()
        poll = in_thread(lambda: looks.watch.poll(now_s))
        ready, _ = await asyncio.wait({poll}, timeout=SLOW_S)
        if not ready:
            self._trouble_began(f"no answer for {SLOW_S:.0f} s")
        found = looks.pending.fresh(await poll, now_s)
        for upload in found:
            self._log.info("complete upload %s (%s)", upload.name, upload.identity)
        return found

    async def _lost(self, looks: _Looks) -> list[CompleteUpload]:
        overdue = looks.pending.overdue(time.monotonic())
        if not overdue:
            return []
        kept = await self._records({shard_of(looks.root.url, upload.name) for upload in overdue})
        lost = looks.pending.again(overdue, kept, time.monotonic())
        for upload in lost:
            self._log.warning("upload %s (%s) has had no run yet, and is told again", upload.name, upload.identity)
        return lost

    async def _prune(self, looks: _Looks) -> None:
        """A root that shows nothing may only be unmounted: nothing of it is dropped."""
        names = looks.watch.names() if time.monotonic() - looks.pruned_s >= PRUNE_S else set()
        if not names:
            return
        looks.pruned_s = time.monotonic()
        alive = {field_of(name) for name in names}
        looks.pending.done = pruned(looks.pending.done, alive)
        for shard in shards_of(looks.root.url):
            kept = await self._records([shard])
            left = pruned(kept, alive)
            if len(left) < len(kept):
                await self._store.aset(shard, left)

    async def _records(self, shards: Iterable[str]) -> Records:
        found: Records = {}
        for shard in shards if self._store else ():
            found |= records(await self._store.aget(shard, {}))
        return found

    def _trouble_began(self, reason: str) -> None:
        if self._trouble_s is None:
            self._trouble_s = time.monotonic()
            self._log.warning("upload root %s: %s", self._url, reason)

    def _trouble_ended(self) -> None:
        if self._trouble_s is not None:
            self._log.info("upload root %s: well again after %.0f s", self._url, time.monotonic() - self._trouble_s)
            self._trouble_s = None


class _Looks:
    """What there is of a root once it was opened."""

    def __init__(self, root: UploadRoot, pending: Pending, settle_s: float, most_files: int) -> None:
        self.root, self.pending = root, pending
        self.opened_s = self.pruned_s = time.monotonic()
        self.watch = Watch(self._entries, root.name_of, settle_s, pending.confirmed, most_files)

    def _entries(self, folder: str) -> list[Entry]:
        return self.root.storage.entries(folder)  # of the root as it was opened last


def _payload(root: UploadRoot, upload: CompleteUpload) -> dict[str, Any]:
    return {"id": upload.identity, "upload": upload.name, "told_ns": upload.told_ns, "root": root.url}
