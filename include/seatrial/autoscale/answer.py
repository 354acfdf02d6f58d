"""How many replicas of what, and what that saves (pure): a choice and a policy for a load, and for people."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from seatrial.autoscale.bottleneck import Bottleneck, bottleneck
from seatrial.autoscale.derive import ScalingPolicy, floor_two_digits
from seatrial.profiling.cell import Cell
from seatrial.words import counted

SAYS = {
    "CPU": "What limits a replica is the processor",
    "threads": "What limits a replica is how many threads it may use",
    "GPU": "What limits a replica is the GPU",
    "memory bandwidth": "What limits a replica is the memory of the GPU",
    "batching": "What limits a replica is the size of its batches",
    "client": "What limits the measurement is our own load generator, so that a replica may carry more",
    "unknown": "What limits a replica was not found",
}


class Way(BaseModel):
    """One option for the load: `price` of all `replicas`; `headroom` is how far saturation lies above lambda_max, as a
    share of it; `p99_ms` at lambda_max. `estimated`: no level of load has shown its lambda_max."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    option: str
    replicas: int
    price: float
    cost: float = Field(description="Price for one request/s.")
    p99_ms: float
    headroom: float
    estimated: bool


class Answer(BaseModel):
    """The chosen way, the dearest one, and the front: those that no other beats in cost, p99 and headroom together."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    load: float = Field(description="Requests/s that the replicas are for.")
    chosen: Way
    dearest: Way
    saving: float = Field(description="Share of the dearest way's price that the chosen one saves.")
    front: tuple[Way, ...]
    bottleneck: Bottleneck
    paragraph: str


def answer(chosen: Cell, cells: Sequence[Cell], policy: ScalingPolicy, load: float | None = None) -> Answer:
    """`cells`: all that were measured or surveyed, the chosen one among them. Without a `load` (requests/s, above 0)
    it is what one replica is aimed at."""
    wanted = load or policy.target_per_replica
    ways = {cell.key: _way(cell, wanted, policy.ratio) for cell in cells if cell.capacity.feasible}
    best, dearest = ways[chosen.key], max(ways.values(), key=lambda way: way.price)
    found = bottleneck(chosen)
    return Answer(
        load=wanted,
        chosen=best,
        dearest=dearest,
        saving=_saving(best, dearest),
        front=_front([way for way in ways.values() if not way.estimated]),
        bottleneck=found,
        paragraph=_paragraph(chosen, best, dearest, found, policy, wanted),
    )


def _way(cell: Cell, load: float, ratio: float) -> Way:
    """As many replicas as the load needs at the target that each would have."""
    capacity = cell.capacity
    replicas = max(1, math.ceil(load / floor_two_digits(ratio * capacity.assured)))
    return Way(
        option=cell.option.name,
        replicas=replicas,
        price=round(replicas * cell.option.price, 6),
        cost=cell.cost,
        p99_ms=capacity.p99_ms,
        headroom=round(capacity.mu / capacity.lambda_max - 1, 4),
        estimated=capacity.method == "survey",
    )


def _front(ways: Sequence[Way]) -> tuple[Way, ...]:
    """The cheapest first."""
    kept = [way for way in ways if not any(_beats(other, way) for other in ways)]
    return tuple(sorted(kept, key=lambda way: (way.cost, way.option)))


def _beats(one: Way, other: Way) -> bool:
    left, right = ((way.cost, way.p99_ms, -way.headroom) for way in (one, other))
    return left != right and all(a <= b for a, b in zip(left, right, strict=True))


def _paragraph(cell: Cell, best: Way, dearest: Way, found: Bottleneck, policy: ScalingPolicy, load: float) -> str:
    objective, capacity = cell.objective, cell.capacity
    sentences = [
        f"For {load:g} requests a second with {objective.percentile:g} % of the answers within"
        f" {objective.latency_ms:g} ms, run {_replicas(best)}, at a price of {best.price:g}.",
        f"One replica carries {capacity.lambda_max:.3g} requests a second (between {capacity.lambda_low:.3g} and"
        f" {capacity.lambda_high:.3g}) and is given {policy.target_per_replica:g}, so that there is room until another"
        " one has started.",
    ]
    if cell.alone is not None and cell.interference is not None:
        sentences.append(
            f"That is beside {counted(cell.alone.neighbours, 'neighbour')} on the same GPU, equally busy; alone there"
            f" it would saturate at {cell.alone.mu:.3g} instead of {capacity.mu:.3g}, {cell.interference:.2f} times as"
            " much."
        )
    if dearest.price > best.price:
        sentences.append(
            f"The dearest way that was looked at, {_replicas(dearest)}, would be {dearest.price:g}: this one saves"
            f" {_saving(best, dearest):.0%}."
        )
    noticed = [f"It was noticed that the model {finding}." for finding in capacity.findings]
    return " ".join([*sentences, f"{SAYS[found.what]}: {found.figure}.", *noticed])


def _saving(best: Way, dearest: Way) -> float:
    return round(1 - best.price / dearest.price, 4)


def _replicas(way: Way) -> str:
    return f"{counted(way.replicas, 'replica')} of {way.option}"
