"""Moments as people write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.errors import Refused
from seatrial.registry.moments import Moment, parse_moment

FIVE_PAST_TWO = 1795525500000  # 2026-11-24T13:05:00Z


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-24T14:05:00+01:00",
        "2026-11-24T14:05+01:00",
        "2026-11-24 14:05:00 01:00",
        "2026-11-24T13:05:00Z",
        " 2026-11-24T13:05:00.000Z ",
        str(FIVE_PAST_TWO),
    ],
)
def test_every_way_to_write_a_moment_is_the_same_moment(text: str) -> None:
    assert parse_moment(text, UTC).at_ms == FIVE_PAST_TWO


def test_a_time_without_a_zone_is_local_and_says_so() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    assert parse_moment("2026-11-24T14:05", berlin) == Moment(FIVE_PAST_TWO, "2026-11-24 14:05:00 CET, UTC+01:00")
    assert parse_moment("2026-11-24", berlin).said == "2026-11-24 00:00:00 CET, UTC+01:00"


def test_a_given_zone_is_kept_in_what_is_said() -> None:
    assert parse_moment("2026-11-24T14:05:00+01:00", UTC).said == "2026-11-24 14:05:00 UTC+01:00"
    assert parse_moment(str(FIVE_PAST_TWO)).said == "2026-11-24 13:05:00 UTC"


@given(st.integers(0, 32_000_000_000_000), st.integers(-14 * 60, 14 * 60))
def test_rfc_3339_is_read_to_the_millisecond(at_ms: int, minutes: int) -> None:
    at = datetime(1971, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)
    said = at.astimezone(timezone(timedelta(minutes=minutes))).isoformat()
    assert parse_moment(said).at_ms == at_ms + 365 * 24 * 3600 * 1000


@pytest.mark.parametrize("text", ["", "noon", "14:05", "2026-13-01", "-5", "9" * 17, "1969-12-31", "0001-01-01T00:00"])
def test_anything_else_is_refused_with_the_forms_that_are_known(text: str) -> None:
    with pytest.raises(Refused, match=r"is not a moment \(limit: RFC 3339"):
        parse_moment(text, UTC)
