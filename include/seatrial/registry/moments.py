"""Moments as people and programs write them (pure)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from seatrial.errors import Refused

_LATEST_MS = 253_402_300_799_999  # the last millisecond of the year 9999
_LOST_PLUS = re.compile(r"(:\d\d(?:\.\d+)?) (\d\d:\d\d)$")  # a query string that was not escaped shows + as a space


@dataclass(frozen=True)
class Moment:
    """`at_ms` is milliseconds since 1970; `said` shows it in the zone that it was given in, or was taken to be in."""

    at_ms: int
    said: str


def parse_moment(text: str, local: tzinfo | None = None) -> Moment:
    """RFC 3339 (`2026-11-24T14:05:00+01:00`, also without seconds, time or zone), or milliseconds since 1970.

    A time without a zone is of `local`, None being this machine's zone; `said` then names it. Of an hour that the clock
    shows twice, the first. Raises Refused for anything else.
    """
    text = text.strip()
    if re.fullmatch(r"\d{1,18}", text) and len(text) != 8:  # eight digits are a date
        at_ms = int(text)
        if at_ms > _LATEST_MS:
            raise _refused(text)
        return Moment(at_ms, _said(datetime.fromtimestamp(at_ms / 1000, UTC)))
    try:
        found = datetime.fromisoformat(_LOST_PLUS.sub(r"\1+\2", text))
        if found.tzinfo is None:
            found = found.astimezone() if local is None else found.replace(tzinfo=local)
        at_ms = round(found.timestamp() * 1000)
    except (ValueError, OverflowError, OSError) as error:
        raise _refused(text) from error
    if not 0 <= at_ms <= _LATEST_MS:
        raise _refused(text)
    return Moment(at_ms, _said(found))


def _said(at: datetime) -> str:
    name = at.tzname() or ""
    offset = at.strftime("%z")
    shown = name if name in ("", "UTC") or name.startswith("UTC") else f"{name}, UTC{offset[:3]}:{offset[3:5]}"
    return f"{at.replace(tzinfo=None).isoformat(sep=' ', timespec='seconds')} {shown}".rstrip()


def _refused(text: str) -> Refused:
    return Refused(
        f"{text[:60]!r} is not a moment (limit: RFC 3339, as 2026-11-24T14:05:00+01:00, or milliseconds since 1970)",
        field="at",
        value=text[:60],
    )
