"""The kernel's own events are counted as a processor's would be: these are there on every machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from seatrial.profiling.cpu_counters import EVENTS, counting
from seatrial.profiling.gauges import gauges_of
from seatrial.profiling.readings import CpuWindow, Edge, GroupTimes, Reading

SOFTWARE, CPU_CLOCK, PAGE_FAULTS = 1, 0, 2
OWN = {"cpu_clock_ns": (SOFTWARE, CPU_CLOCK), "page_faults": (SOFTWARE, PAGE_FAULTS)}
NOWHERE = {"none": (SOFTWARE, 10_000)}


@pytest.fixture
def core() -> int:
    with counting([0], OWN) as found:
        pass
    if not found:
        pytest.skip("this user may not count events (kernel.perf_event_paranoid)")
    return min(os.sched_getaffinity(0))


def touch(pages: int) -> None:
    memory = bytearray(4096 * pages)
    memory[::4096] = b"x" * pages


def test_events_of_the_block_are_counted_on_the_cores_of_the_block(core: int) -> None:
    everything = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        with counting([core], OWN) as found:
            touch(5000)
    finally:
        os.sched_setaffinity(0, everything)
    assert found["page_faults"] >= 5000
    assert found["cpu_clock_ns"] > 0


def test_cores_are_added_up(core: int) -> None:
    with counting([core], OWN) as one, counting([core, core], OWN) as two:
        touch(5000)
    assert two["cpu_clock_ns"] == pytest.approx(2 * one["cpu_clock_ns"], rel=0.2)


def test_an_event_that_the_machine_has_not_is_left_out_and_no_file_stays_open(core: int) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        with counting([core], {**OWN, **NOWHERE, **EVENTS}) as found:
            pass
        assert "none" not in found
        assert set(OWN) <= set(found)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_core_that_is_not_there_leaves_all_out(core: int) -> None:
    with counting([core, 100_000], OWN) as found:
        pass
    assert found == {}


def test_counts_become_figures_and_none_none() -> None:
    moments = [Reading(at_s, GroupTimes(), GroupTimes(), 1.0, None) for at_s in (0.0, 2.0)]
    edges = [Edge((0, 0), None, None)] * 2
    counts = {"cycles": 4e9, "instructions": 6e9, "cache_misses": 5e6}
    found = gauges_of(CpuWindow(1, False, moments, edges, counts))
    assert (found.instructions_per_cycle, found.cache_misses_per_s) == (1.5, 2.5e6)
    found = gauges_of(CpuWindow(1, False, moments, edges))
    assert (found.instructions_per_cycle, found.cache_misses_per_s) == (None, None)
