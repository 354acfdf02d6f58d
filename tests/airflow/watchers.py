"""The upload watcher in an event loop, without an Airflow around it."""

from __future__ import annotations

import asyncio
from typing import Any

from operators.root_watcher import RootWatcher
from operators.triggers import UploadTrigger


class Log(list[str]):
    """The lines of the trigger's log."""

    def info(self, text: str, *values: object) -> None:
        self.append(text % values)

    warning = info


def told(watchers: list[RootWatcher], number: int) -> list[str]:
    """The names of the first uploads that the trigger yields when it watches with these."""

    class Trigger(UploadTrigger):
        def _watchers(self) -> list[RootWatcher]:
            return watchers

    async def first() -> list[str]:
        events: Any = Trigger().run()
        try:
            return [(await anext(events)).payload["upload"] for _ in range(number)]
        finally:
            await events.aclose()

    return asyncio.run(first())
