"""The shadow report: a verdict with its arithmetic, as it is kept as evidence."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from seatrial.shadow.limits import Limits

Verdict = Literal["PASS", "FAIL", "UNDECIDED"]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Part(_Value):
    """One question of the verdict: its answer, the number and the limit that it rests on, and a sentence."""

    name: Literal["tensors", "errors", "latency", "traffic"]
    verdict: Verdict
    value: float
    limit: float
    samples: int
    sentence: str


class LayerSummary(_Value):
    """One output layer over all compared requests."""

    layer: str
    mismatches: int
    max_abs: float
    max_rel: float
    lowest_share: float


class Offence(_Value):
    """A request whose answer differed: which layer, where, and both values."""

    request: str
    layer: str
    flaw: str
    index: tuple[int, ...] | None
    expected: str
    got: str


class Counts(_Value):
    """Requests that were replayed: distinct live captures, distinct samples, and sends of either to Staging."""

    live: int
    samples: int
    sent: int


class ShadowReport(_Value):
    """`production` is the version compared with; None for a first version, whose `reference` is a runtime."""

    verdict: Verdict
    sentence: str
    production: int | None
    reference: str | None
    parts: tuple[Part, ...]
    counts: Counts
    layers: tuple[LayerSummary, ...]
    latency_ms: dict[str, dict[str, float]]
    first_offending: tuple[Offence, ...]
    limits: Limits
    seed: int
    seconds: float
