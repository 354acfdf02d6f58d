"""Work beside a block of code: a thread that samples until the block ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

EVERY_S = 0.25
"""Between two samples."""


@contextmanager
def sampling(sample: Callable[[threading.Event], None], name: str) -> Iterator[None]:
    """Run `sample` in a thread of that name while the block runs. It returns once its event is set, after a last
    sample; then the block is left."""
    stop = threading.Event()
    thread = threading.Thread(target=sample, args=(stop,), name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
