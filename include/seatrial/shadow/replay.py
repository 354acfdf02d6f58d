"""Replays requests to Production (twice, to know its own noise) and to Staging (once), and reports what it saw."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
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


@dataclass
class _State:
    seen: Seen = field(default_factory=Seen)
    layers: dict[str, LayerSummary] = field(default_factory=dict)
    offences: list[Offence] = field(default_factory=list)


def replay(
    production: Side | None,
    staging: Side,
    requests: Sequence[Request],
    limits: Limits,
    *,
    objective_ms: float,
    reference: str | None,
    deadline: Deadline,
    progress: Progress,
    seed: int = 1,
) -> ShadowReport:
    """Send until the verdict is known, `limits.max_requests` are sent, or the deadline has passed.

    Requests are repeated as they are, in turn, when there are fewer than needed. Every request goes A B B A by turns:
    Production first, then Staging first, so that a drift of the machine meets both alike.
    """
    began, state = time.monotonic(), _State()
    parts: tuple[Part, ...] = ()
    with GrpcTransport() as transport:
        sides = [side for side in (production, staging) if side is not None]
        for side in sides:
            _warm_up(transport, side, requests[0])
        for turn in range(limits.max_requests):
            request = requests[turn % len(requests)]
            _one(transport, production, staging, request, limits, state, swap=turn % 2 == 1)
            if (turn + 1) % CHECK_EVERY == 0:
                parts = _parts(state.seen, limits, production, objective_ms, seed)
                progress(f"{turn + 1} requests: " + ", ".join(f"{part.name} {part.verdict}" for part in parts))
                if worst(parts) != "UNDECIDED" or deadline.passed:
                    break
    parts = _parts(state.seen, limits, production, objective_ms, seed)
    against = f"{production.model}@{production.version}" if production else f"the reference runtime {reference}"
    return ShadowReport(
        verdict=worst(parts),
        sentence=sentence_of(parts, against),
        production=production.version if production else None,
        reference=reference,
        parts=parts,
        counts=_counts(requests, state.seen),
        layers=tuple(state.layers.values()),
        latency_ms=_latency_ms(state.seen, production),
        first_offending=tuple(state.offences),
        limits=limits,
        seed=seed,
        seconds=round(time.monotonic() - began, 2),
    )


def _parts(seen: Seen, limits: Limits, production: Side | None, objective_ms: float, seed: int) -> tuple[Part, ...]:
    noise = production is not None
    speed = latency_part(seen, limits, seed=seed) if noise else objective_part(seen, objective_ms)
    return (tensors_part(seen, limits, noise=noise), errors_part(seen, limits, noise=noise), speed)


def _one(
    transport: GrpcTransport,
    production: Side | None,
    staging: Side,
    request: Request,
    limits: Limits,
    state: _State,
    *,
    swap: bool,
) -> None:
    seen = state.seen
    seen.sent += 1
    base: tuple[Tensors, float] | None
    again: tuple[Tensors, float] | None = None
    if production is None:
        base = (request.expected or {}, 0.0)
        candidate = _send(transport, staging, request)
    elif swap:
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
    _compare(request, base[0], candidate[0], again[0] if again else None, limits, state)


def _compare(
    request: Request, base: Tensors, candidate: Tensors, again: Tensors | None, limits: Limits, state: _State
) -> None:
    seen = state.seen
    found = compare_tensors(base, candidate, limits)
    differs = any(not layer.passed for layer in found)
    noisy = again is not None and any(not layer.passed for layer in compare_tensors(base, again, limits))
    seen.compared += 1
    seen.both += differs and noisy
    seen.candidate_only += differs and not noisy
    seen.noise_only += noisy and not differs
    for layer in found:
        state.layers[layer.layer] = _added(state.layers.get(layer.layer), layer)
        if not layer.passed and len(state.offences) < SHOWN_OFFENCES:
            state.offences.append(
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


def _counts(requests: Sequence[Request], seen: Seen) -> Counts:
    used = requests[: seen.sent]
    live = sum(request.source == "capture" for request in used)
    return Counts(live=live, samples=len(used) - live, sent=seen.sent)


def _latency_ms(seen: Seen, production: Side | None) -> dict[str, dict[str, float]]:
    sides = {"staging": seen.candidate_s, **({"production": seen.base_s} if production else {})}
    return {name: _percentiles(values) for name, values in sides.items() if values}


def _percentiles(values: Sequence[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {f"p{p}": round(ordered[min(len(ordered) - 1, len(ordered) * p // 100)] * 1000, 3) for p in (50, 95, 99)}
