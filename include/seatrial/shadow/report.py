"""The shadow report: a verdict with its arithmetic, as it is kept as evidence."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from seatrial.shadow.differences import Differences
from seatrial.shadow.distribution import Histogram
from seatrial.shadow.limits import Limits
from seatrial.shadow.record import Requests, Source

Verdict = Literal["PASS", "FAIL", "UNDECIDED"]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Part(_Value):
    """One question of the verdict: its answer, the number and the limit that it rests on, and a sentence."""

    name: Literal["tensors", "distribution", "errors", "latency", "servers", "burden", "traffic"]
    verdict: Verdict
    value: float
    limit: float
    samples: int
    sentence: str


class LayerSummary(_Value):
    """One output layer over all compared requests. `own` counts those in which Production's second answer differs from
    its first; `noise` says how, where that is known."""

    layer: str
    mismatches: int
    own: int = 0
    noise: str = ""
    max_abs: float
    max_rel: float
    lowest_share: float


class Offence(_Value):
    """A request whose answer differed: which layer, where, and both values. `number` counts the sendings from 1;
    `seatrial replay` sends it once more by that."""

    number: int = 0
    request: str
    source: Source = "capture"
    layer: str
    flaw: str
    index: tuple[int, ...] | None
    expected: str
    got: str


class Counts(_Value):
    """Requests that were replayed: distinct live captures, distinct samples, sendings of either to Staging, and of
    those the ones that it alone was sent."""

    live: int
    samples: int
    sent: int
    alone: int = 0


class Subject(_Value):
    """What is compared: version `staging` of `model` with the `production` version; for a first one that is None, and
    the `reference` is a runtime. `class_reason`: why the comparison class is what it is. `began_ms`: when the run first
    compared, in ms since 1970. `risk`: what services that call as Production is called would notice, where the manifest
    says that this is wanted."""

    model: str = ""
    staging: int = 0
    production: int | None
    reference: str | None
    class_reason: str = ""
    began_ms: int = 0
    risk: str = ""

    @property
    def against(self) -> str:
        return f"the runtime {self.reference}" if self.production is None else f"{self.model}@{self.production}"


class ShadowReport(Subject):
    """A verdict with its arithmetic. `seconds` is how long requests were sent, waits left out. From `requests` the
    verdict can be computed again, and is gone on with."""

    verdict: Verdict
    sentence: str
    parts: tuple[Part, ...]
    counts: Counts
    layers: tuple[LayerSummary, ...]
    latency_ms: dict[str, dict[str, float]]
    first_offending: tuple[Offence, ...]
    limits: Limits
    seed: int
    seconds: float
    requests: Requests = Requests()
    distribution: dict[str, Histogram] = {}
    differences: dict[str, Differences] = {}

    @property
    def consequence(self) -> str:
        return {
            "PASS": "The run goes on: capacity is measured, and the version promoted.",
            "FAIL": "The version is archived and its servers stop; nothing changes in Production.",
            "UNDECIDED": "The version stays in Staging; another run of the same upload goes on from here.",
        }[self.verdict]
