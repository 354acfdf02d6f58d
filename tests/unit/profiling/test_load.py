"""One level of load: what it proves by itself, and together with its second half."""

from __future__ import annotations

import numpy as np
import pytest

from seatrial.profiling.load import LoadResult


def _level(late_at_s: list[float], *, failed: int = 0, aborted: bool = False) -> LoadResult:
    """300 requests in 30 s, 50 ms each, those at `late_at_s` 500 ms."""
    sent = np.arange(300) / 10
    latency = np.where(np.isin(sent, late_at_s), 0.5, 0.05)
    return LoadResult(10.0, 30.0, latency, sent, np.zeros(300), failed, ("refused",) * failed, aborted)


def test_a_burst_of_late_requests_is_chance_and_as_many_spread_over_the_level_are_not() -> None:
    burst, spread = [5.0, 5.1, 5.2, 5.3, 5.4, 5.5], [2.0, 7.0, 12.0, 17.0, 22.0, 27.0]
    assert _level(burst).late_share(0.2) == _level(spread).late_share(0.2) == 0.02
    assert _level(burst).keeps(0.2, 0.01)
    assert not _level(spread).keeps(0.2, 0.01)


def test_a_second_half_without_late_requests_clears_the_first_and_one_like_it_confirms() -> None:
    first = _level([2.0, 9.0, 13.0, 16.0, 23.0, 28.0])
    assert not first.keeps(0.2, 0.01)
    assert first.then(_level([])).keeps(0.2, 0.01)
    both = first.then(_level([4.0, 8.0, 11.0, 15.0, 21.0, 26.0]))
    assert not both.keeps(0.2, 0.01)
    assert (both.seconds, len(both.latency_s), both.sent_s.max()) == (60.0, 600, 59.9)


def test_failed_requests_and_an_aborted_level_never_keep_an_objective() -> None:
    assert not _level([], failed=1).keeps(0.2, 0.01)
    assert not _level([], aborted=True).keeps(0.2, 0.01)
    assert not _level([]).then(_level([], failed=1)).keeps(0.2, 0.01)


def test_late_requests_are_counted_with_their_bursts() -> None:
    assert _level([5.0, 5.1, 5.2, 12.0]).late(0.2) == (4, 2)
    assert _level([]).late(0.2) == (0, 0)


def _closed(services_s: np.ndarray) -> LoadResult:
    """Four callers, one worker."""
    done = np.cumsum(services_s)
    sent = np.concatenate([np.zeros(4), done])[: len(done)]
    seconds = float(done[-1])
    return LoadResult(len(done) / seconds, seconds, done - sent, sent, np.zeros(len(done)), 0, (), False)


def test_the_rate_of_a_closed_loop_is_as_sure_as_chance_allows() -> None:
    """Of 2000 exponential service times the mean has a standard error of 1 / sqrt(2000) of itself."""
    random = np.random.default_rng(1)
    errors = [_closed(random.exponential(0.005, 2000)).rate_error for _ in range(30)]
    assert np.mean(errors) == pytest.approx(2000**-0.5, rel=0.2)
    assert _closed(np.full(2000, 0.005)).rate_error < 0.002


def test_a_server_that_slows_down_has_no_sure_rate() -> None:
    assert _closed(np.linspace(0.005, 0.01, 2000)).rate_error > 0.05
