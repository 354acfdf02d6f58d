"""Work beside a block of code: a thread that samples until the block ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")

EVERY_S = 0.25
"""Between two samples."""
CURVE = 60
"""Samples of one window that are kept: every one of 15 s, and evidence stays small."""


@contextmanager
def sampling(sample: Callable[[threading.Event], None], name: str) -> Iterator[None]:
    """Run `sample` in a thread of that name while the block runs. It returns once its event is set; then the block is
    left."""
    stop = threading.Event()
    thread = threading.Thread(target=sample, args=(stop,), name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def thinned(samples: Sequence[T], most: int = CURVE) -> Sequence[T]:
    """No more than `most` of them, evenly spaced, the first and the last among them (pure)."""
    if len(samples) <= most:
        return samples
    return [samples[round(number * (len(samples) - 1) / (most - 1))] for number in range(most)]
