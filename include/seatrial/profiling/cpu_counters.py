"""The processor's own counters of some cores while a block runs, where the machine has them and lets us read them.

They tell a server that computes from one that waits for memory, which CPU seconds cannot. Virtual machines mostly have
none; a container needs CAP_PERFMON. Source: perf_event_open(2).
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager

SYSTEM_CALL = {"x86_64": 298, "aarch64": 241}
"""Of perf_event_open, which the C library has no function for."""
HARDWARE = 0
EVENTS: Mapping[str, tuple[int, int]] = {
    "cycles": (HARDWARE, 0),
    "instructions": (HARDWARE, 1),
    "cache_misses": (HARDWARE, 3),
}
"""Type and number of each event. Cache misses are those of the last level: reads of memory that nothing foresaw."""

_ATTRIBUTES = struct.Struct("=IIQQQQQ80x")  # type, size, config, period, sample_type, read_format, flags
_COUNT = struct.Struct("=QQQ")  # events, nanoseconds enabled, nanoseconds counted
_TIMES = 0b11  # read_format: both times too
_CLOSE_ON_EXEC = 0b1000


@contextmanager
def counting(cores: Collection[int], events: Mapping[str, tuple[int, int]] = EVENTS) -> Iterator[dict[str, float]]:
    """Fill the yielded dict with the counts of all `cores` together when the block ends; an event that is not to be had
    on each of them is left out."""
    found: dict[str, float] = {}
    with ExitStack() as opened:
        counters = {name: [_open(opened, *event, core) for core in cores] for name, event in events.items()}
        try:
            yield found
        finally:
            for name, of_cores in counters.items():
                known = [_count(file) for file in of_cores if file is not None]
                if of_cores and len(known) == len(of_cores):
                    found[name] = sum(known)


def _open(opened: ExitStack, kind: int, number: int, core: int) -> int | None:
    """A counter of everything that runs on the core, counting from now on; None where there is none."""
    call = SYSTEM_CALL.get(platform.machine())
    if call is None:
        return None
    attributes = ctypes.create_string_buffer(_ATTRIBUTES.pack(kind, _ATTRIBUTES.size, number, 0, 0, _TIMES, 0))
    file = int(_c_library().syscall(call, attributes, -1, core, -1, _CLOSE_ON_EXEC))
    if file < 0:
        return None
    opened.callback(os.close, file)
    return file


def _count(file: int) -> float:
    """Extrapolated over the times in which others had the processor's few counters."""
    events, enabled_ns, counted_ns = _COUNT.unpack(os.read(file, _COUNT.size))
    return events * enabled_ns / counted_ns if counted_ns else 0.0


def _c_library() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
