"""The upload watcher: an event for each complete upload, at least once. The dispatcher makes it exactly one run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

if TYPE_CHECKING:
    from operators.root_watcher import RootWatcher


class UploadTrigger(BaseEventTrigger):
    """Looks into the upload roots every `poll_s` seconds, each in a task of its own: a slow one delays no other.

    It keeps no state of its own: the asset's state store has the records of what the dispatcher has confirmed. An event
    that was yielded and lost comes again.
    """

    def __init__(self, poll_s: float = 2.0) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.poll_s = poll_s

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return "operators.triggers.UploadTrigger", {"poll_s": self.poll_s}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        told: asyncio.Queue[dict[str, Any] | BaseException] = asyncio.Queue()
        watching = [asyncio.create_task(_put(watcher, told)) for watcher in self._watchers()]
        try:
            while True:
                payload = await told.get()
                if isinstance(payload, BaseException):  # a fault of ours: Airflow logs it and starts the trigger anew
                    raise payload
                yield TriggerEvent(payload)  # type: ignore[no-untyped-call]
        finally:
            for task in watching:
                task.cancel()

    def _watchers(self) -> list[RootWatcher]:
        from operators.hdfs import open_upload_root
        from operators.root_watcher import RootWatcher
        from seatrial.settings import Settings

        settings = Settings.read()
        return [
            RootWatcher(
                url,
                partial(open_upload_root, url),
                self.asset_state_store,
                self.log,
                poll_s=self.poll_s,
                settle_s=settings.settle_s,
                most_files=settings.largest_upload.files,
            )
            for url in settings.uploads
        ]


async def _put(watcher: RootWatcher, told: asyncio.Queue[dict[str, Any] | BaseException]) -> None:
    try:
        async for payload in watcher.run():
            told.put_nowait(payload)
    except Exception as error:  # it would be lost with the task
        told.put_nowait(error)
