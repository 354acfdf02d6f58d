"""Blocking work beside an event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def in_thread(work: Callable[[], T]) -> asyncio.Future[T]:
    """What `work` will return or raise. It runs in a thread of its own that nobody waits for.

    A thread of the loop's pool would be one less for all others as long as it hangs, and keep the process from ending.
    """
    outcome: Future[T] = Future()
    outcome.set_running_or_notify_cancel()  # whoever no longer waits does not stop it

    def act() -> None:
        try:
            outcome.set_result(work())
        except BaseException as raised:  # whoever waits gets it
            outcome.set_exception(raised)

    threading.Thread(target=act, name="upload-root", daemon=True).start()
    return asyncio.wrap_future(outcome)
