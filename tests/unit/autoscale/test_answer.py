"""How many replicas of what, what limits them, and what a person is told."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.autoscale.answer import Answer, answer
from seatrial.autoscale.bottleneck import bottleneck
from seatrial.autoscale.derive import derive
from seatrial.profiling.cell import Cell
from seatrial.profiling.sharing import Alone
from tests.unit.autoscale.test_derive_and_choose import cell


def told(chosen: Cell, *others: Cell, load: float | None = None) -> Answer:
    return answer(chosen, [chosen, *others], derive(chosen, now_ms=0), load)


@given(st.floats(0.1, 1e4), st.floats(1, 1e4))
def test_the_replicas_carry_the_load_and_one_less_would_not(load: float, lam: float) -> None:
    chosen = cell(lam=lam)
    target = derive(chosen, now_ms=0).target_per_replica
    replicas = told(chosen, load=load).chosen.replicas
    assert replicas * target >= load
    assert replicas == 1 or (replicas - 1) * target < load


def test_without_a_load_one_replica_is_what_is_asked_about() -> None:
    found = told(cell())
    assert (found.chosen.replicas, found.load) == (1, derive(cell(), now_ms=0).target_per_replica)


@given(st.lists(st.tuples(st.floats(0.1, 10), st.floats(1, 100), st.floats(1, 100)), min_size=1, max_size=8))
def test_nothing_on_the_front_is_beaten_and_all_else_is(points: list[tuple[float, float, float]]) -> None:
    cells = [cell(f"o{n}", price=p, lam=lam, p99_ms=q) for n, (p, lam, q) in enumerate(points)]
    found = told(cells[0], *cells[1:])
    figures = {c.option.name: (c.cost, c.capacity.p99_ms) for c in cells}  # the headroom is the same for all
    front = {way.option for way in found.front}
    assert front
    for name, (cost, p99) in figures.items():
        better = [o for o, (c, q) in figures.items() if c <= cost and q <= p99 and (c, q) != (cost, p99)]
        close = any(abs(figures[o][0] / cost - 1) < 1e-9 for o in better)  # headroom is rounded
        assert close or (name in front) == (not better)


def test_the_saving_is_against_the_dearest_way_estimated_ones_included() -> None:
    cheap, dear = (
        cell("cheap", price=1, lam=100),
        cell("dear", price=40, lam=150, p99_ms=1, method="survey", lambda_low=0.0),
    )
    found = told(cheap, dear, load=100.0)
    assert (found.chosen.price, found.dearest.option, found.dearest.estimated) == (2.0, "dear", True)
    assert found.saving == 0.95
    assert [way.option for way in found.front] == ["cheap"], "an estimate is on no front"


def test_a_share_is_said_to_be_measured_beside_its_neighbours() -> None:
    share = cell(mu=80.0, lam=70.0).model_copy(update={"alone": Alone(neighbours=3, mu=100.0, lambda_max=90.0)})
    said = "beside 3 neighbours on the same GPU, equally busy; alone there it would saturate at 100 instead of 80, 1.25"
    assert said in told(share).paragraph
    assert "neighbours" not in told(cell()).paragraph


def test_what_is_infeasible_is_no_way() -> None:
    slow = cell("slow", price=99, feasible=False, method="infeasible", lambda_max=0.0)
    assert told(cell(), slow).dearest.option == "cpu-1x1"


LEVEL = {"p50_ms": 1, "p99_ms": 1, "late_share": 0, "memory_mb": 1}
FULL = {"max_batch": 8, "each_more": 0.12}
GPU = {"kernel_percent_mean": 97.0}


SHAPE = ("device", "cores", "threads", "instances", "max_batch")


def at_saturation(cores_used: float, **of: Any) -> Cell:
    gpu = {"gpu": of.pop("gpu_at_saturation", None)}
    levels = [{"rate": 1, "cpu_cores": 0.1, **LEVEL}, {"rate": 100, "cpu_cores": cores_used, **LEVEL, **gpu}]
    shape: dict[str, Any] = {name: of.pop(name) for name in SHAPE if name in of}
    shared = of.pop("shared_cores", False)
    found = cell(levels=levels, **of)
    option = found.option.model_copy(update=shape)
    return found.model_copy(update={"option": option, "shared_cores": shared})


@pytest.mark.parametrize(
    ("measured", "what", "figure"),
    [
        (at_saturation(1.9, cores=2, threads=2), "CPU", "1.90 of 2 core(s) in use at saturation"),
        (
            at_saturation(1.0, cores=2),
            "threads",
            "1.00 of 2 core(s) in use at saturation, as much as 1 instance(s) of 1",
        ),
        (at_saturation(1.02, cores=4, threads=4), "threads", "as much as one thread: that there are 4 shows no effect"),
        (at_saturation(1.2, cores=2, threads=2, shared_cores=True), "client", "the load generator shared them"),
        (at_saturation(0.5, notes=("at 9 requests/s the generator was up to 5 ms behind",)), "client", "5 ms behind"),
        (at_saturation(0.3, gpu_at_saturation=GPU), "GPU", "ran 97 % of the time at saturation, with 0.30 core(s)"),
        (
            at_saturation(1.0, gpu_at_saturation=GPU),
            "CPU",
            "1.00 of 1 core(s)",
        ),  # a kernel of one tiny stream always runs
        (at_saturation(0.3, gpu=GPU, gpu_at_saturation={"kernel_percent_mean": 50.0}), "unknown", "0.30 of 1 core(s)"),
        (at_saturation(1.2, cores=2, threads=2, shared_cores=True, gpu_at_saturation=GPU), "client", "shared them"),
        (at_saturation(0.3, gpu_at_saturation={**GPU, "memory_percent_mean": 85.0}), "memory bandwidth", "85 % of the"),
        (at_saturation(0.3, device="gpu", max_batch=8, queue=FULL), "batching", "all 8 rows that the option allows"),
        (at_saturation(0.3, device="gpu", max_batch=8, queue=FULL, gpu_at_saturation=GPU), "batching", "would add 12%"),
        (at_saturation(0.3, device="gpu", max_batch=16, queue=FULL), "unknown", "0.30 of 1 core(s)"),
        (at_saturation(0.3, device="gpu", max_batch=8, queue={**FULL, "each_more": 0.9}), "unknown", "0.30 of 1"),
        (at_saturation(1.0, max_batch=8, queue=FULL), "CPU", "1.00 of 1 core(s)"),
        (at_saturation(0.3), "unknown", "0.30 of 1 core(s)"),
        (cell(), "unknown", "no level"),
    ],
)
def test_what_limits_a_replica_is_named_with_its_figure(measured: Cell, what: str, figure: str) -> None:
    found = bottleneck(measured)
    assert found.what == what
    assert figure in found.figure


def test_the_paragraph_is_for_people() -> None:
    chosen, dear = at_saturation(0.97, price=2, lam=100), cell("dear", price=40, lam=150)
    assert told(chosen, dear, load=150.0).paragraph == (
        "For 150 requests a second with 99 % of the answers within 100 ms, run 2 replicas of cpu-1x1, at a price of 4."
        " One replica carries 100 requests a second (between 95 and 105) and is given 78, so that there is room until"
        " another one has started. The dearest way that was looked at, 2 replicas of dear, would be 80: this one saves"
        " 95%. What limits a replica is the processor: 0.97 of 1 core(s) in use at saturation."
    )
