"""What the questions of an auditor are answered with, field by field: dossier, comparison, Production at a moment.

Evidence is kept as its step wrote it. So what these take out of it is typed only as far as `registry/dossier.py` makes
sure of it.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from seatrial.manager.routes.common import Answer, VersionDocument
from seatrial.registry.entities import Evidence, StageMove

Digests = dict[str, str]


class Verdict(Answer):
    """A judgement: its answer, and in `parts` each number with its limit. `id` is its evidence's."""

    id: int
    kind: str
    run: str
    at_ms: int
    verdict: Literal["PASS", "FAIL", "UNDECIDED"]
    sentence: str
    compared_with: int | None = Field(description="The Production version, null where there was none.")
    parts: list[dict[str, Any]]
    counts: dict[str, Any]


class CellDocument(BaseModel):
    """A measured hardware option: the document that ProfileHardware wrote, with its evidence's id and run."""

    model_config = ConfigDict(frozen=True, extra="allow")

    id: int
    run: str


class RunDocument(Answer):
    """Who wrote of a version: a run, its steps in their order, and its first and last moment."""

    run: str
    steps: list[str]
    first_ms: int
    last_ms: int


class Dossier(Answer):
    """All that is known of a version; `registry/dossier.py` says each field."""

    schema_: Literal[1] = Field(alias="schema")
    version: VersionDocument
    files: Digests
    files_kept: bool
    verdicts: list[Verdict]
    cells: list[CellDocument]
    policy: dict[str, Any] | None
    ledger: list[StageMove]
    runs: list[RunDocument]
    evidence: list[Evidence]


class VersionName(Answer):
    model: str
    version: int
    model_id: int


class Difference(Answer):
    """A fact that differs; null: the version has none. `change` is right − left, of two numbers only."""

    left: Any
    right: Any
    change: float | None = None


class Comparison(Answer):
    """`sections` has each fact that differs, `same` how many agree."""

    schema_: Literal[1] = Field(alias="schema")
    left: VersionName
    right: VersionName
    sections: dict[str, dict[str, Difference]]
    same: dict[str, int]


class TenureDocument(Answer):
    """A version in a stage: the ledger entries that put it there and ended it, and what was known when it came."""

    version: int
    model_id: int
    began: StageMove
    ended: StageMove | None
    evidence: list[Evidence]


class ProductionAt(Answer):
    model: str
    environment: str
    at_ms: int
    at: str = Field(description="The moment in the zone that it was given in, or taken to be in.")
    ahead: bool = Field(description="The moment is yet to come: the answer may still change.")
    production: TenureDocument | None
    staging: TenureDocument | None
