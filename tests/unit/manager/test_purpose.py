from __future__ import annotations

import pytest

from seatrial.manager.sweep import purpose_ended


@pytest.mark.parametrize(
    ("stage", "moved_at_ms", "wanted_at_ms", "now_ms", "ended"),
    [
        ("Production", 5, 1, 10**9, False),
        ("Staging", 5, 1, 10**9, False),
        ("Archived", 5, 1, 6, True),
        ("Archived", 5, 8, 9, False),  # wanted again after it was archived: a rollback on its way
        ("Archived", 5, 8, 20_000, True),  # but not for ever
        ("None", 0, 8, 9, False),
        ("None", 0, 8, 20_000, True),
    ],
)
def test_servers_go_when_nothing_needs_them_any_more(
    stage: str, moved_at_ms: int, wanted_at_ms: int, now_ms: int, ended: bool
) -> None:
    found = purpose_ended(stage, moved_at_ms=moved_at_ms, wanted_at_ms=wanted_at_ms, now_ms=now_ms, grace_s=10)
    assert found is ended
