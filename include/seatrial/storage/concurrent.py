"""Work on many files, some at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

AT_ONCE = 8  # HDFS takes some 60 ms to write a file and 10 ms to read one, however small

T = TypeVar("T")


def at_once(act: Callable[[str, T], None], files: Mapping[str, T]) -> None:
    """`act` on some files (path, what the mapping says) at a time. After the first error, by path, none is begun."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        deque(pool.map(act, *zip(*sorted(files.items()), strict=True)), maxlen=0)
