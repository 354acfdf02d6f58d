"""Replays requests to Production (twice, to know its own noise) and to Staging (once), and reports what it saw."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, cycle
from typing import Literal

from seatrial.client.transport import EncodedRequest, GrpcTransport, encode
from seatrial.errors import SeatrialError
from seatrial.shadow.comparison import TensorComparison, compare_tensors
from seatrial.shadow.limits import Limits
from seatrial.shadow.report import Counts, LayerSummary, Offence, Part, ShadowReport
from seatrial.shadow.verdict import (
    Seen,
    errors_part,
    latency_part,
    objective_part,
    sentence_of,
    tensors_part,
    traffic_part,
    worst,
)
from seatrial.tensors import Array, Tensors
from seatrial.waiting import Deadline

Progress = Callable[[str], None]
CHECK_EVERY = 50  # requests between two looks at the verdict
SHOWN_OFFENCES = 10
WARM_UP = 5
TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Request:
    """One request to replay; `expected` is the reference's answer, for a first version."""

    id: str
    source: Literal["capture", "sample"]
    inputs: Tensors
    expected: Tensors | None = None


@dataclass(frozen=True)
class Side:
    """Where one version answers."""

    address: str
    model: str
    version: int


class Replay:
    """One comparison under way: `extend` sends more requests and judges everything that was sent so far.

    `production` is None for a first version; then every request carries the answer of the runtime `reference`.
    """

    def __init__(
        self,
        production: Side | None,
        staging: Side,
        limits: Limits,
        *,
        objective_ms: float,
        reference: str | None,
        progress: Progress,
        seed: int = 1,
    ) -> None:
        self._production, self._staging = production, staging
        self._limits, self._objective_ms, self._seed = limits, objective_ms, seed
        self._against = f"{production.model}@{production.version}" if production else f"the runtime {reference}"
        self._reference = reference
        self._progress = progress
        self._seen = Seen()
        self._layers: dict[str, LayerSummary] = {}
        self._offences: list[Offence] = []
        self._seconds = 0.0

    @property
    def exhausted(self) -> bool:
        """Whether `max_requests` were sent: more traffic cannot change the verdict any more."""
        return self._seen.sent >= self._limits.max_requests

    def extend(self, requests: Sequence[Request], deadline: Deadline) -> ShadowReport:
        """Send until the verdict is known, `limits.max_requests` are sent in all, or the deadline has passed.

        Each request that was not sent before is sent once; then all of them are repeated in turn. Every request goes
        A B B A by turns: Production first, then Staging first, so that a drift of the machine meets both alike. When
        nothing but live traffic is missing, it stops: repeating requests brings no traffic.
        """
        began = time.monotonic()
        fresh = [request for request in requests if request.id not in self._seen.used]
        with GrpcTransport() as transport:
            if requests:
                for side in filter(None, (self._production, self._staging)):
                    _warm_up(transport, side, requests[0])
            for turn, request in enumerate(chain(fresh, cycle(requests)), 1):
                if self.exhausted:
                    break
                self._one(transport, request)
                if self._seen.sent % CHECK_EVERY == 0 and turn >= len(fresh) and (self._settled() or deadline.passed):
                    break
        self._seconds += time.monotonic() - began
        return self._report()

    def _settled(self) -> bool:
        """Whether sending the same requests again can change nothing."""
        parts = self._parts()
        self._progress(f"{self._seen.sent} requests: " + ", ".join(f"{part.name} {part.verdict}" for part in parts))
        return worst([part for part in parts if part.name != "traffic"]) != "UNDECIDED"

    def _parts(self) -> tuple[Part, ...]:
        seen, limits, noise = self._seen, self._limits, self._production is not None
        speed = latency_part(seen, limits, seed=self._seed) if noise else objective_part(seen, self._objective_ms)
        traffic = (traffic_part(seen, limits),) if noise and limits.live_share > 0 else ()
        return (tensors_part(seen, limits, noise=noise), errors_part(seen, limits, noise=noise), speed, *traffic)

    def _report(self) -> ShadowReport:
        parts, used = self._parts(), list(self._seen.used.values())
        return ShadowReport(
            verdict=worst(parts),
            sentence=sentence_of(parts, self._against),
            production=self._production.version if self._production else None,
            reference=self._reference,
            parts=parts,
            counts=Counts(live=used.count("capture"), samples=used.count("sample"), sent=self._seen.sent),
            layers=tuple(self._layers.values()),
            latency_ms=_latency_ms(self._seen, self._production),
            first_offending=tuple(self._offences),
            limits=self._limits,
            seed=self._seed,
            seconds=round(self._seconds, 2),
        )

    def _one(self, transport: GrpcTransport, request: Request) -> None:
        seen, production, staging = self._seen, self._production, self._staging
        staging_first = seen.sent % 2 == 1
        seen.sent += 1
        seen.used[request.id] = request.source
        base: tuple[Tensors, float] | None
        again: tuple[Tensors, float] | None = None
        if production is None:
            base = (request.expected or {}, 0.0)
            candidate = _send(transport, staging, request)
        elif staging_first:
            candidate = _send(transport, staging, request)
            base = _send(transport, production, request)
            again = _send(transport, production, request)
        else:
            base = _send(transport, production, request)
            candidate = _send(transport, staging, request)
            again = _send(transport, production, request)
        if base is None:
            seen.base_failed += 1
        if candidate is None:
            seen.candidate_failed += 1
        if base is None or candidate is None:
            return
        seen.base_s.append(base[1])
        seen.candidate_s.append(candidate[1])
        self._compare(request, base[0], candidate[0], again[0] if again else None)

    def _compare(self, request: Request, base: Tensors, candidate: Tensors, again: Tensors | None) -> None:
        seen, limits = self._seen, self._limits
        found = compare_tensors(base, candidate, limits)
        differs = any(not layer.passed for layer in found)
        noisy = again is not None and any(not layer.passed for layer in compare_tensors(base, again, limits))
        seen.compared += 1
        seen.both += differs and noisy
        seen.candidate_only += differs and not noisy
        seen.noise_only += noisy and not differs
        for layer in found:
            self._layers[layer.layer] = _added(self._layers.get(layer.layer), layer)
            if not layer.passed and len(self._offences) < SHOWN_OFFENCES:
                self._offences.append(
                    Offence(
                        request=request.id,
                        layer=layer.layer,
                        flaw=layer.flaw,
                        index=layer.worst_index,
                        expected=layer.expected,
                        got=layer.got,
                    )
                )


def _added(before: LayerSummary | None, found: TensorComparison) -> LayerSummary:
    finite = min(found.max_abs, 1e308), min(found.max_rel, 1e308)  # JSON has no infinity
    return LayerSummary(
        layer=found.layer,
        mismatches=(before.mismatches if before else 0) + (not found.passed),
        max_abs=max(before.max_abs if before else 0.0, finite[0]),
        max_rel=max(before.max_rel if before else 0.0, finite[1]),
        lowest_share=min(before.lowest_share if before else 1.0, found.share),
    )


def _send(transport: GrpcTransport, side: Side, request: Request) -> tuple[dict[str, Array], float] | None:
    """Outputs and seconds; None when the server answers an error or not at all."""
    encoded = _encoded(side, request)
    began = time.perf_counter()
    try:
        outputs = transport.send(side.address, encoded, TIMEOUT_S)
    except SeatrialError:
        return None
    return outputs, time.perf_counter() - began


def _encoded(side: Side, request: Request) -> EncodedRequest:
    return encode(side.model, side.version, request.inputs)


def _warm_up(transport: GrpcTransport, side: Side, request: Request) -> None:
    for _ in range(WARM_UP):
        _send(transport, side, request)


def _latency_ms(seen: Seen, production: Side | None) -> dict[str, dict[str, float]]:
    sides = {"staging": seen.candidate_s, **({"production": seen.base_s} if production else {})}
    return {name: _percentiles(values) for name, values in sides.items() if values}


def _percentiles(values: Sequence[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {f"p{p}": round(ordered[min(len(ordered) - 1, len(ordered) * p // 100)] * 1000, 3) for p in (50, 95, 99)}
