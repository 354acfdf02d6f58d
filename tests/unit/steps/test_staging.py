"""When a version in Staging is another run's business."""

from __future__ import annotations

import pytest

from seatrial.registry.entities import StageMove
from seatrial.steps.staging import LONGEST_RUN_S, is_under_way

HOUR_MS = 3_600_000
LONG_MS = int(LONGEST_RUN_S * 1000)


@pytest.mark.parametrize(
    ("run", "age_ms", "under_way"),
    [
        ("another", 0, True),
        ("another", LONG_MS - 1, True),
        ("another", LONG_MS, False),
        ("another", -HOUR_MS, True),  # the manager's clock is ahead
        ("mine", 0, False),
        ("", 0, False),  # by hand
    ],
)
def test_a_version_is_being_validated_while_another_run_may_still_decide(
    run: str, age_ms: int, under_way: bool
) -> None:
    entry = StageMove(
        model="tiny",
        seq=1,
        environment="local",
        version=1,
        from_stage="None",
        to_stage="Staging",
        displaced=None,
        at_ms=10 * HOUR_MS,
        who="airflow",
        run=run,
        why="",
    )
    assert is_under_way(entry, "mine", entry.at_ms + age_ms) is under_way
