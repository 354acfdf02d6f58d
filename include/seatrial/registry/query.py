"""Filters over versions (pure): one line of text to clauses, and whether a version meets them.

    filter    = clause { "and" clause }
    clause    = field operator value              no spaces are needed around an operator
    field     = model | name | description | text | user | format | run | stage | environment
              | version | created | tag.KEY | metric.NAME | param.NAME      text is name or description
    operator  = "=" | "!=" | "~" | ">" | ">=" | "<" | "<="                  ~ is "contains", capitals or not
    value     = word | 'quoted' | "quoted"                                  in quotes \\ takes a sign as it is

    stage=Production and metric.f1>0.9 and tag.team='audio lab'

A clause on what a version does not have is not met, except with `!=`, which is exactly the opposite of `=`. `stage` and
`environment` in one filter speak of the same place: a version counts for each environment that it was ever moved in,
or as None in `local`.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC
from typing import Any, Literal, get_args

from seatrial.errors import Refused
from seatrial.registry.entities import ModelVersion, Scalar, Stage
from seatrial.registry.moments import parse_moment

Operator = Literal["=", "!=", "~", ">", ">=", "<", "<="]
Place = tuple[str, Stage]
"""An environment, and the version's stage there."""

LONGEST = 2000  # characters of a filter; longer ones are a mistake or an attack
TEXT_OPERATORS = ("=", "!=", "~")
NUMBER_OPERATORS = ("=", "!=", ">", ">=", "<", "<=")
TEXTS = ("model", "name", "description", "text", "user", "format", "run", "stage", "environment")
NUMBERS = ("version", "created")
PREFIXES = ("tag", "metric", "param")

_QUOTED = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""
_CLAUSE = re.compile(
    rf"\s*(?P<field>[^\s=!<>~'\"]+(?:{_QUOTED})?)\s*(?P<operator>!=|>=|<=|=|~|>|<)\s*"
    rf"(?P<value>{_QUOTED}|[^\s'\"]+)(?P<rest>\s+and\s+|\s*$)",
    re.DOTALL,
)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "~": lambda found, wanted: wanted.casefold() in found.casefold(),
}


@dataclass(frozen=True)
class Clause:
    """`key` is the part after `tag.`, `metric.` or `param.`; "" for the other fields. `created` is milliseconds."""

    field: str
    key: str
    operator: Operator
    value: str | float

    def __str__(self) -> str:
        value = f"{self.value!r}" if isinstance(self.value, float) else _quote(self.value)
        return f"{self.field}{'.' + _quote(self.key) if self.key else ''}{self.operator}{value}"


@dataclass(frozen=True)
class Filter:
    """All clauses must be met; none = everything."""

    clauses: tuple[Clause, ...] = ()

    def __str__(self) -> str:
        return " and ".join(map(str, self.clauses))

    @property
    def asks_place(self) -> bool:
        return any(clause.field in ("stage", "environment") for clause in self.clauses)


def parse_filter(text: str) -> Filter:
    """The filter that `text` says. Raises Refused naming the part that is wrong; an empty text is an empty filter."""
    if len(text) > LONGEST:
        raise Refused(f"filter: {len(text)} characters (limit: {LONGEST})", field="filter", limit=LONGEST)
    clauses: list[Clause] = []
    at, ended = 0, not text.strip()
    while not ended:
        found = _CLAUSE.match(text, at)
        if found is None:
            raise _refused(text[at:].strip(), "expected FIELD OPERATOR VALUE, clauses joined by 'and'")
        clauses.append(_clause(found))
        at, ended = found.end(), not found["rest"].strip()
    return Filter(tuple(clauses))


def matches(wanted: Filter, version: ModelVersion, places: Iterable[Place]) -> bool:
    """Whether one of the version's places, together with the version itself, meets all clauses."""
    of_version = [clause for clause in wanted.clauses if clause.field not in ("stage", "environment")]
    return all(_meets(clause, _value(clause, version)) for clause in of_version) and in_place(wanted, places)


def in_place(wanted: Filter, places: Iterable[Place]) -> bool:
    """Whether one of the places meets all clauses on stage and environment."""
    asked = [clause for clause in wanted.clauses if clause.field in ("stage", "environment")]
    return any(all(_meets(c, place[0] if c.field == "environment" else place[1]) for c in asked) for place in places)


def value_of(field: str, key: str, version: ModelVersion) -> Scalar | tuple[str, ...] | None:
    """What a version has under a field, None when nothing; two texts for `text`, of which one must do."""
    if field in PREFIXES:
        kept = {"tag": version.tags, "metric": version.metrics, "param": version.hyper_parameters}[field]
        found: Scalar | None = kept.get(key)  # type: ignore[attr-defined]
        return found
    if field == "text":
        return version.model, version.description
    name = {"name": "model", "created": "created_ms"}.get(field, field)
    plain: Scalar = version.served.format if field == "format" else getattr(version, name)
    return plain


def parse_field(text: str) -> tuple[str, str]:
    """A field's name and key. Raises Refused naming what exists."""
    name, _, key = text.partition(".")
    key = unquote(key)
    if (name in PREFIXES and key) or (name in (*TEXTS, *NUMBERS) and "." not in text):
        return name, key
    known = ", ".join([*TEXTS, *NUMBERS, "tag.KEY", "metric.NAME", "param.NAME"])
    raise _refused(text, "is not a field", known)


def unquote(text: str) -> str:
    quoted = len(text) > 1 and text[0] in "'\"" and text[-1] == text[0]
    return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL) if quoted else text


def number(text: str) -> float | None:
    try:
        found = float(text)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def _clause(found: re.Match[str]) -> Clause:
    field, key = parse_field(found["field"])
    said, sign, whole = unquote(found["value"]), found["operator"], found.group().strip()
    value: str | float = said
    if field == "param":
        allowed = tuple(dict.fromkeys((*TEXT_OPERATORS, *NUMBER_OPERATORS)))
        if sign not in TEXT_OPERATORS and number(said) is None:
            raise _refused(whole, f"{said!r} is not a number")
    elif field == "metric" or field in NUMBERS:
        allowed = NUMBER_OPERATORS
        as_number = float(parse_moment(said, UTC).at_ms) if field == "created" else number(said)
        if as_number is None:
            raise _refused(whole, f"{said!r} is not a number")
        value = as_number
    else:
        allowed = TEXT_OPERATORS
    if sign not in allowed:
        raise _refused(whole, f"{found['field']} does not take {sign}", " ".join(allowed))
    if field == "stage" and sign != "~" and said not in get_args(Stage):
        raise _refused(whole, f"{said!r} is not a stage", ", ".join(get_args(Stage)))
    return Clause(field, key, sign, value)  # type: ignore[arg-type]


def _meets(clause: Clause, found: Scalar | tuple[str, ...] | None) -> bool:
    if clause.operator == "!=":
        return not _meets(Clause(clause.field, clause.key, "=", clause.value), found)
    if isinstance(found, tuple):
        return any(_meets(clause, part) for part in found)
    if found is None:
        return False
    wanted: str | float = clause.value
    if isinstance(wanted, str) and not isinstance(found, str):
        shown = str(found).lower() if isinstance(found, bool) else str(found)
        as_number = None if isinstance(found, bool) or clause.operator == "~" else number(wanted)
        found, wanted = (shown, wanted) if as_number is None else (found, as_number)
    elif isinstance(wanted, str) and clause.operator not in TEXT_OPERATORS:
        return False  # a hyper-parameter that is a text has no order
    return bool(_COMPARE[clause.operator](found, wanted))


def _value(clause: Clause, version: ModelVersion) -> Scalar | tuple[str, ...] | None:
    return value_of(clause.field, clause.key, version)


def _quote(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _refused(part: str, reason: str, limit: str | None = None) -> Refused:
    shown = part if len(part) <= 80 else part[:80] + "…"
    known = f" (limit: {limit})" if limit else ""
    return Refused(f"filter: {shown!r}: {reason}{known}", field="filter", value=shown, limit=limit)
