"""Whether a replica still carries what its scaling policy came from (pure).

keep     both measurements can be true of one and the same replica, and were made under the same conditions
refresh  they cannot, or were not; the policy in force is safe by today's
alarm    the policy in force is unsafe by today's measurement, or there is none today

can be true   A.lambda_max ≤ B.lambda_high, and B.lambda_low ≤ A.lambda_max where B.lambda_low < B.lambda_max;
              and the same with A and B swapped
unsafe        target · (1 + tau) > lam     (lam: `Capacity.assured`, which policies are derived from; tau: tolerance)

Where a level held at the answer itself (a long level, a live search), the answer is the lower end of its own interval.
That speaks against no lower answer, since what carries 100 carries 98: the interval is open downwards there.

The autoscaler lets a mean load of target · (1 + tau) stand for good. The policy's other margins, for imbalance and
growth, are what a fall may use up until the policy is refreshed; a fall beyond them is an alarm, whatever the intervals
say. An estimate without any level (survey) shows neither that a replica is the same nor that it is not: the policy is
refreshed, as it is where the measurement that it came from is not kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from seatrial.profiling.cell import Capacity, Cell, Objective
from seatrial.profiling.same_measurement import disturbances

Verdict = Literal["keep", "refresh", "alarm"]

STATED = {"machine": "machine", "inference_server": "inference server", "driver": "GPU driver"}
"""Fields of a cell that name what it was measured on, and their plain names."""


class Measured(BaseModel):
    """What of a cell is compared; rates in requests per second."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    at_ms: int
    method: str
    lambda_max: float
    lambda_low: float
    lambda_high: float
    objective: Objective
    measured_as: str
    machine: str
    inference_server: str
    driver: str

    @classmethod
    def of(cls, cell: Cell) -> Self:
        said = {**cell.model_dump(include={*cls.model_fields}), **cell.capacity.model_dump(include={*cls.model_fields})}
        return cls.model_validate(said)


class Drift(BaseModel):
    """The verdict on a policy, in one sentence and with what it rests on. `before` is None where the measurement of the
    policy is not kept, `now` where today's could not be made."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    verdict: Verdict
    sentence: str
    standing: float = Field(description="Requests/s a replica that the policy in force lets stand for good.")
    before: Measured | None
    now: Measured | None
    changed: tuple[str, ...] = Field(default=(), description="What else is not as it was: name, before, now.")
    disturbed: tuple[str, ...] = Field(default=(), description="What disturbed today's measurement.")


def drift(before: Cell | None, now: Cell, standing: float) -> Drift:
    """Judge today's cell against the one that the policy in force came from; `standing` as of ScalingPolicy."""
    changed = () if before is None else tuple(_changed(before, now))
    unsafe = _why_unsafe(now.capacity, standing)
    moved = None if unsafe else _why_another(before, now, changed)
    verdict: Verdict = "alarm" if unsafe else "refresh" if moved else "keep"
    disturbed = disturbances(now.capacity)
    said = [f"today {_figures(now)}, {_before(before)}", unsafe or moved, *changed, *disturbed]
    return Drift(
        verdict=verdict,
        sentence="; ".join(filter(None, said)),
        standing=standing,
        before=None if before is None else Measured.of(before),
        now=Measured.of(now),
        changed=changed,
        disturbed=disturbed,
    )


def not_measured(before: Cell | None, why: str, standing: float) -> Drift:
    """The judgement where today's measurement could not be made: nobody knows whether the policy is safe."""
    return Drift(
        verdict="alarm",
        sentence=f"not measured today, {_before(before)}; {why}",
        standing=standing,
        before=None if before is None else Measured.of(before),
        now=None,
    )


def _why_unsafe(today: Capacity, standing: float) -> str | None:
    if not today.feasible:
        return "no load keeps the objective"
    if standing > today.assured:
        return f"{today.assured:g} are assured, and the policy in force lets {standing:.4g} stand on a replica"
    return None


def _why_another(before: Cell | None, now: Cell, changed: tuple[str, ...]) -> str | None:
    """Why the two are not the same; None when they are."""
    if before is None:
        return "the measurement that the policy in force came from is not kept"
    if changed:
        return "measured under other conditions"
    if "survey" in (before.capacity.method, now.capacity.method):
        return "no level of load showed one of them"
    if _possible(before.capacity.lambda_max, now.capacity) and _possible(now.capacity.lambda_max, before.capacity):
        return None
    return f"it carries {'more' if now.capacity.lambda_max > before.capacity.lambda_max else 'less'}"


def _possible(rate: float, found: Capacity) -> bool:
    """Whether that may be the answer, by a measurement."""
    lowest = found.lambda_low if found.lambda_low < found.lambda_max else 0.0
    return lowest <= rate <= found.lambda_high


def _changed(before: Cell, now: Cell) -> Iterator[str]:
    """What the figures depend on that is not as it was, in plain words. Older cells state neither server nor driver:
    then the digest of everything tells that something is not the same."""
    if before.objective != now.objective:
        yield f"objective: {_objective(before)} → {_objective(now)}"
    named = [field for field in STATED if field == "machine" or (before.inference_server and now.inference_server)]
    lines = [_line(field, before, now) for field in named if getattr(before, field) != getattr(now, field)]
    yield from lines
    if before.measured_as != now.measured_as and not lines:
        yield "which GPUs it may get, how is measured, or programs that the earlier measurement does not name"


def _line(field: str, before: Cell, now: Cell) -> str:
    was, is_now = (getattr(cell, field) or "none" for cell in (before, now))
    return f"{STATED[field]}: {was} → {is_now}"


def _objective(cell: Cell) -> str:
    return f"p{cell.objective.percentile:g} ≤ {cell.objective.latency_ms:g} ms"


def _before(cell: Cell | None) -> str:
    if cell is None:
        return "before not known"
    return f"{datetime.fromtimestamp(cell.at_ms / 1000, UTC):%Y-%m-%d} {_figures(cell)}"


def _figures(cell: Cell) -> str:
    found = cell.capacity
    if not found.feasible:
        return f"no requests/s ({' '.join(found.notes) or found.method})"
    return f"{found.lambda_max:g} requests/s [{found.lambda_low:g}, {found.lambda_high:g}]"
