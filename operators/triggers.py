"""The upload watcher: an event for each complete upload, at least once. The dispatcher makes it exactly one run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent


class UploadTrigger(BaseEventTrigger):
    """Looks into the upload root every `poll_s` seconds.

    It keeps no state of its own: what the dispatcher has confirmed is in the asset's state store under "done". An event
    that was yielded and lost comes again after a restart.
    """

    def __init__(self, poll_s: float = 1.0) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.poll_s = poll_s

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return "operators.triggers.UploadTrigger", {"poll_s": self.poll_s}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        from seatrial.settings import Settings
        from seatrial.uploads.roots import local_folder
        from seatrial.uploads.settling import Settling
        from seatrial.uploads.watch import observe

        settings = Settings.read()
        root = local_folder(settings.uploads, "the watcher")
        store = self.asset_state_store
        done = await store.aget("done", []) if store else []
        known = {str(identity) for identity in done} if isinstance(done, list) else set()
        settling = Settling(settle_s=settings.settle_s)
        while True:
            try:
                found = await asyncio.to_thread(observe, root)
            except OSError as error:
                self.log.warning("cannot list %s: %s", root, error)
                found = None
            for upload in settling.complete(found, time.monotonic()) if found is not None else ():
                if upload.identity not in known:
                    known.add(upload.identity)
                    self.log.info("complete upload %s (%s)", upload.path, upload.identity)
                    yield TriggerEvent({"id": upload.identity, "upload": upload.path})  # type: ignore[no-untyped-call]
            await asyncio.sleep(self.poll_s)
