"""Readings of a window become figures: pure."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.profiling.cpu_gauges import core_times, switches_in
from seatrial.profiling.gauges import gauges_of
from seatrial.profiling.readings import CoreTimes, CpuWindow, Edge, GroupTimes, Reading
from seatrial.profiling.sampling import CURVE, EVERY_S, thinned
from seatrial.profiling.throttling import Throttled, throttled_in

TICKS = os.sysconf("SC_CLK_TCK")
STAT = """cpu  900 0 0 9000 0 0 0 0 0 0
cpu0 100 20 30 4000 5 6 7 8 0 0
cpu10 1000 200 300 40 50 60 70 80 0 0
intr 1 2 3
"""


def reading(at_s: float, server: float = 0.0, generator: float = 0.0, busy: float | None = None) -> Reading:
    """Three quarters of the server's time in the kernel, so that the two are told apart."""
    cores = None if busy is None else CoreTimes(busy, 0.1 * busy)
    return Reading(at_s, GroupTimes(server / 4, 3 * server / 4), GroupTimes(generator, 0.0), 100 + at_s, cores)


def window(*readings: Reading, beside: bool = False, end: Edge | None = None) -> CpuWindow:
    first = Edge((100, 10), Throttled(5, 1.0), 50.0)
    return CpuWindow(1, beside, list(readings), [first, end or first])


def test_a_window_of_two_seconds_is_told_in_cores_by_group_user_and_system() -> None:
    readings = (reading(10, 1, 0, 1), reading(11, 1.4, 0.2, 1.5), reading(12, 2, 0.5, 3))
    found = gauges_of(window(*readings, end=Edge((300, 16), Throttled(9, 1.5), 60.0)))
    assert (found.server_user_cores, found.server_system_cores) == (0.125, 0.375)
    assert (found.generator_user_cores, found.generator_system_cores) == (0.25, 0.0)
    assert found.server_cores_peak == 0.6
    assert (found.others_cores, found.steal_cores) == (0.5, 0.1)
    assert (found.throttled_cores, found.throttled_per_s) == (0.25, 2.0)
    assert (found.voluntary_switches_per_s, found.involuntary_switches_per_s) == (100.0, 3.0)
    assert (found.rss_mb_peak, found.pss_mb, found.seconds) == (112.0, 60.0, 2.0)
    assert found.curve.at_s == (1.0, 2.0)
    assert found.curve.server_user_cores == (0.1, 0.15)
    assert found.curve.others_cores == (0.1, 0.9)
    assert found.curve.rss_mb == (111.0, 112.0)


@pytest.mark.parametrize(("beside", "others"), [(False, 0.5), (True, 0.25)])
def test_a_generator_on_the_servers_cores_is_no_other_work(beside: bool, others: float) -> None:
    found = gauges_of(window(reading(0, 0, 0, 0), reading(2, 1, 0.5, 2), beside=beside))
    assert found.others_cores == others


def test_what_is_not_known_is_none_and_not_zero() -> None:
    nothing = Edge((0, 0), None, None)
    found = gauges_of(CpuWindow(0, False, [reading(0), reading(1)], [nothing, nothing]))
    assert (found.others_cores, found.steal_cores, found.pss_mb) == (None, None, None)
    assert (found.throttled_cores, found.throttled_per_s) == (None, None)
    assert found.curve.others_cores == (None,)


@given(st.lists(st.tuples(*[st.floats(0, 1)] * 3, st.floats(EVERY_S / 2 + 1e-6, 1)), min_size=1, max_size=200))
def test_no_figure_is_negative_and_curve_and_mean_agree(steps: list[tuple[float, float, float, float]]) -> None:
    at = server = generator = busy = 0.0
    readings = [reading(0, 0, 0, 0)]
    for more_server, more_generator, more_busy, seconds in steps:
        at, server, generator = at + seconds, server + more_server, generator + more_generator
        busy += more_busy
        readings.append(reading(at, server, generator, busy))
    found = gauges_of(window(*readings))
    assert found.others_cores is not None
    assert found.others_cores >= 0
    mean = found.server_user_cores + found.server_system_cores
    assert mean == pytest.approx(server / at, abs=1e-3)
    assert found.server_cores_peak >= mean - 1e-3
    assert len(found.curve.at_s) == len(found.curve.rss_mb) < CURVE


@given(st.integers(1, 1000), st.integers(2, 100))
def test_a_thinned_curve_keeps_both_ends_and_the_order(length: int, most: int) -> None:
    samples = list(range(length))
    kept = thinned(samples, most)
    assert (kept[0], kept[-1], len(kept)) == (0, length - 1, min(length, most))
    assert list(kept) == sorted(set(kept))


def test_of_the_machines_file_only_the_asked_cores_count_without_interrupts() -> None:
    assert core_times(STAT, {0}) == CoreTimes(150 / TICKS, 8 / TICKS)
    assert core_times(STAT, {0, 10}) == CoreTimes(1650 / TICKS, 88 / TICKS)


@pytest.mark.parametrize("cores", [set(), {1}, {0, 1}])
def test_cores_that_the_machines_file_does_not_have_are_not_known(cores: set[int]) -> None:
    assert core_times(STAT, cores) is None


def test_switches_of_a_thread_are_told_apart() -> None:
    status = "Name:\tctxt_switches\nState:\tR\nvoluntary_ctxt_switches:\t7\nnonvoluntary_ctxt_switches:\t3\n"
    assert switches_in(status) == (7, 3)


@pytest.mark.parametrize(
    ("stat", "found"),
    [
        ("nr_periods 9\nnr_throttled 3\nthrottled_usec 1500000\n", Throttled(3, 1.5)),
        ("nr_periods 9\nnr_throttled 3\nthrottled_time 2500000000\n", Throttled(3, 2.5)),
        ("usage_usec 5\nuser_usec 4\nsystem_usec 1\n", None),
    ],
)
def test_both_versions_of_cgroups_say_how_long_a_quota_held(stat: str, found: Throttled | None) -> None:
    assert throttled_in(stat) == found
