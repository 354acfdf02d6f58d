"""Which windows count: pure, from the figures of a window."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.profiling.gauges import Gauges
from seatrial.profiling.quiet import Quiet, unsure_cores, why_not_quiet

CORES = st.floats(0, 64)
LIMITS = Quiet(other_work_cores=0.25, steal_share=0.05, throttled_cores=0.01)


def gauges(seconds: float = 4.0, figures: Mapping[str, float | None] | None = None) -> Gauges:
    zero = dict.fromkeys(
        (
            "server_user_cores",
            "server_system_cores",
            "server_cores_peak",
            "generator_user_cores",
            "generator_system_cores",
            "rss_mb_peak",
            "voluntary_switches_per_s",
            "involuntary_switches_per_s",
        ),
        0.0,
    )
    return Gauges.model_validate({**zero, "seconds": seconds, **(figures or {})})


@pytest.mark.parametrize(
    ("figures", "cores", "said"),
    [
        ({}, 1, None),
        ({"others_cores": 0.29}, 1, None),
        ({"others_cores": 0.45}, 1, "other work used 0.45 of the server's 1 core(s) (limit 0.25, and 0.05 that ticks"),
        ({"steal_cores": 0.09}, 2, None),
        ({"steal_cores": 0.11}, 2, "the host took 0.11 of the server's 2 core(s) (limit 0.1)"),
        ({"throttled_cores": 0.3, "throttled_per_s": 9.5}, 4, "a CPU quota held back 0.30 core(s), 9.5 times a second"),
        ({"others_cores": None, "steal_cores": None, "throttled_cores": None}, 1, None),
    ],
)
def test_other_work_steal_and_a_quota_spoil_a_window_with_the_figure(
    figures: dict[str, float | None], cores: int, said: str | None
) -> None:
    found = why_not_quiet(gauges(figures=figures), cores, LIMITS)
    assert found is None if said is None else found is not None and found.startswith(said)


@given(CORES, CORES, CORES, CORES, st.integers(1, 64), st.floats(0.1, 60))
def test_more_other_work_makes_no_window_quiet_again(
    others: float, steal: float, throttled: float, more: float, cores: int, seconds: float
) -> None:
    figures = {"others_cores": others, "steal_cores": steal, "throttled_cores": throttled}
    if why_not_quiet(gauges(seconds, figures), cores, LIMITS) is not None:
        for name in figures:
            worse = gauges(seconds, {**figures, name: figures[name] + more})
            assert why_not_quiet(worse, cores, LIMITS) is not None


@given(CORES, st.integers(1, 64), st.floats(0.1, 60), CORES, CORES)
def test_a_stricter_limit_lets_no_further_window_pass(
    others: float, cores: int, seconds: float, one: float, other: float
) -> None:
    window = gauges(seconds, {"others_cores": others})
    strict, lax = sorted((one, other))
    if why_not_quiet(window, cores, Quiet(other_work_cores=lax)) is not None:
        assert why_not_quiet(window, cores, Quiet(other_work_cores=strict)) is not None


@given(st.integers(1, 64), st.floats(0.1, 60))
def test_a_longer_window_is_known_better(cores: int, seconds: float) -> None:
    assert unsure_cores(cores, 2 * seconds) < unsure_cores(cores, seconds)
