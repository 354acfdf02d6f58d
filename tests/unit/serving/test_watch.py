from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from seatrial.serving.watch import Progress

LOOKS = st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=30)


def followed(looks: list[tuple[int, bool]]) -> Progress:
    """Progress after one look a second: how many were completed since the one before, and whether something waits."""
    progress, completed = Progress.begin(0.0), 0
    for second, (done, waiting) in enumerate(looks, start=1):
        completed += done
        progress = progress.seen(completed, waiting, float(second))
    return progress


def test_a_server_under_load_that_completes_something_now_and_then_does_not_hang() -> None:
    slow = followed([(1 if second % 10 == 0 else 0, True) for second in range(100)])
    assert slow.stuck_s(100.0) <= 10.0
    assert slow.quiet_s(100.0) == 0.0


def test_a_server_with_something_waiting_that_completes_nothing_hangs() -> None:
    hung = followed([(5, True)] + [(0, True)] * 40)
    assert hung.stuck_s(41.0) == 40.0


def test_an_idle_server_does_not_hang_and_is_quiet() -> None:
    idle = followed([(5, True)] + [(0, False)] * 40)
    assert idle.stuck_s(41.0) == 0.0
    assert idle.quiet_s(41.0) == 40.0


def test_what_waits_after_a_long_idle_time_has_waited_since_then_only() -> None:
    assert followed([(0, False)] * 100 + [(0, True)] * 3).stuck_s(103.0) == 3.0


@given(LOOKS)
def test_a_server_is_never_stuck_and_quiet_at_once(looks: list[tuple[int, bool]]) -> None:
    progress, now = followed(looks), float(len(looks))
    assert min(progress.stuck_s(now), progress.quiet_s(now)) == 0.0
    assert 0.0 <= progress.stuck_s(now) <= now
