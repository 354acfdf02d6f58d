"""The part of a filter that ml-metadata's own search can answer (pure): a filter to a `filter_query`.

What comes back is a superset, `query.matches` decides. Left to it are `!=`, `~`, and every name or text that is not
plain: case, spaces at the end and quotes mean different things to SQLite, MySQL and PostgreSQL. Numbers are asked for
with a margin, because ml-metadata 1.17.1 writes doubles with six digits after the point.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Collection

from seatrial.registry.query import Clause, Filter, number

_PLAIN = re.compile(r"[A-Za-z0-9_.:@/#+-]{1,200}")
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]{1,200}")  # ml-metadata reads the name of a property as a regular expression
HIGHEST = sys.float_info.max
MOST_NAMES = 500  # in one IN (...); more are cheaper to read through
COLUMNS = {"model": "model", "name": "model", "user": "user", "run": "run"}


def version_query(wanted: Filter, names: Collection[str] | None = None) -> str:
    """`names` are the only versions (`pitch@2`) that can be meant, if that is known."""
    parts = ["type = 'ModelVersion'", *(said for said in map(_condition, wanted.clauses) if said)]
    if names is not None and len(names) <= MOST_NAMES and all(map(_PLAIN.fullmatch, names)):
        parts.append(f"name IN ({', '.join(_text(name) for name in sorted(names))})" if names else "id = 0")
    return " AND ".join(parts)


def _condition(clause: Clause) -> str | None:
    sign, value = clause.operator, clause.value
    if sign in ("!=", "~") or (clause.key and not _PLAIN_KEY.fullmatch(clause.key)):
        return None
    if clause.field == "metric":
        assert isinstance(value, float)
        return _about(f"{_custom(clause)}.double_value", sign, value)
    if clause.field == "version" and isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return f"properties.version.int_value {sign} {int(value)}"
    if not isinstance(value, str) or not _PLAIN.fullmatch(value):
        return None
    if clause.field == "param":
        return _parameter(clause, value)
    if sign == "=" and clause.field == "tag":
        return f"{_custom(clause)}.string_value = {_text(value)}"
    if sign == "=" and clause.field in COLUMNS:
        return f"properties.{COLUMNS[clause.field]}.string_value = {_text(value)}"
    return None


def _parameter(clause: Clause, value: str) -> str | None:
    as_number = number(value)
    if as_number is not None and clause.operator != "=":
        whole = _whole(f"{_custom(clause)}.int_value", clause.operator, as_number)
        return f"({whole} OR {_about(f'{_custom(clause)}.double_value', clause.operator, as_number)})"
    plain_text = as_number is None and value.lower() not in ("true", "false", "nan", "inf", "-inf", "infinity")
    return f"{_custom(clause)}.string_value = {_text(value)}" if plain_text and clause.operator == "=" else None


def _about(column: str, sign: str, value: float) -> str:
    """The comparison with room for what the store loses: it keeps six digits of a double."""
    room = max(1e-5, 1e-5 * abs(value))
    least, most = max(-HIGHEST, value - room), min(HIGHEST, value + room)  # no literal says infinity
    above, below = f"{column} >= {least!r}", f"{column} <= {most!r}"
    return {">": above, ">=": above, "<": below, "<=": below}.get(sign, f"({above} AND {below})")


def _whole(column: str, sign: str, value: float) -> str:
    """The comparison with a whole number: PostgreSQL cannot compare its integers with anything else."""
    near = round(max(-(2.0**31), min(2.0**31 - 1, value)))
    return f"{column} >= {near - 1}" if sign in (">", ">=") else f"{column} <= {near + 1}"


def _custom(clause: Clause) -> str:
    return f"custom_properties.`{clause.field}.{clause.key}`"


def _text(value: str) -> str:
    return f"'{value}'"
