"""What counts as measured already."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from seatrial.hardware import HardwareOption
from seatrial.profiling import same_measurement
from seatrial.profiling.bench import Bench
from seatrial.profiling.cell import Capacity, Cell, Objective
from seatrial.profiling.load import LoadResult
from seatrial.profiling.same_measurement import GOOD_FOR_S, find_same, for_objective, measured_as
from tests.unit.autoscale.test_derive_and_choose import cell

OPTION = HardwareOption(name="cpu-2x2", cores=2, threads=2)
OBJECTIVE = Objective(percentile=99, latency_ms=100)
MONTH_MS = int(4 * 1000 * GOOD_FOR_S)


def key(option: HardwareOption = OPTION, **other: Any) -> str:
    of: dict[str, Any] = {"files": {"m.onnx": "0" * 64}, "machine": "m", "server": "s", "driver": "", "gpus": ["GPU-1"]}
    of |= {"payload": [b"a", b"b"], **other}
    return measured_as(of.pop("files"), option, **of)


@pytest.mark.parametrize(
    "other",
    [
        {"files": {"m.onnx": "1" * 64}},
        {"machine": "another"},
        {"server": "another"},
        {"driver": "550"},
        {"gpus": ["GPU-1", "GPU-2"]},
        {"payload": [b"a"]},
        {"payload": [b"ab", b""]},
        {"option": HardwareOption(name="cpu-2x2", cores=2, threads=1)},
        {"option": HardwareOption(name="cpu-2x2", cores=2, threads=2, max_batch=4)},
    ],
)
def test_a_figure_of_anything_else_is_another_measurement(other: dict[str, Any]) -> None:
    assert key(**other) != key()


def test_a_figure_of_another_method_is_another_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    before = key()
    monkeypatch.setattr(same_measurement, "METHOD", same_measurement.METHOD + 1)
    assert key() != before


def test_the_order_of_the_gpus_is_no_matter() -> None:
    assert key(gpus=["GPU-1", "GPU-2"]) == key(gpus=["GPU-2", "GPU-1"])


def test_a_new_name_or_price_is_the_same_measurement() -> None:
    assert key(OPTION.model_copy(update={"name": "two-cores", "price": 7.0})) == key()


def chance_note() -> str:
    bench = Bench("127.0.0.1:1", None, [], 1, OBJECTIVE, lambda _: None, seed=1)
    late = np.array([0.5] * 5 + [0.05] * 295)
    bench.note_chance(LoadResult(10.0, 30.0, late, np.arange(300) / 10, np.zeros(300), 0, (), False))
    return bench.notes[0]


CHANCE = chance_note()


def known(name: str, services_ms: tuple[float, ...] = (10.0,), **of: Any) -> Cell:
    return cell(name, services_ms=services_ms).model_copy(update={"measured_as": "k", **of})


def test_the_newest_with_the_same_objective_is_taken_and_none_that_is_too_old() -> None:
    now = MONTH_MS
    same = [
        known("a", at_ms=now - 3),
        known("b", at_ms=now - 2),
        known("c", at_ms=now - 1, objective=Objective(latency_ms=7)),
        known("d", at_ms=now, measured_as="other"),
    ]

    def found(objective: Objective, at: int) -> str | None:
        cell = find_same(same, "k", objective, at)
        return cell.option.name if cell else None

    assert found(OBJECTIVE, now) == "b"
    assert found(Objective(latency_ms=7), now) == "c"
    assert found(Objective(latency_ms=9), now) == "c"
    assert found(OBJECTIVE, 2 * MONTH_MS) is None


def test_what_was_too_slow_when_idle_is_measured_again() -> None:
    idle_alone = known("a", services_ms=(), at_ms=MONTH_MS)
    assert find_same([idle_alone], "k", OBJECTIVE, MONTH_MS) is None
    assert find_same([idle_alone], "k", Objective(latency_ms=500), MONTH_MS) is None


@pytest.mark.parametrize(
    ("capacity", "again"),
    [
        ({"feasible": False, "method": "infeasible", "lambda_max": 0.0}, True),
        ({"notes": ("at 9.0 requests/s the generator was up to 12.0 ms behind its schedule",)}, True),
        ({"notes": ("at 9.0 requests/s the GPU was throttled: hardware slowdown",)}, True),
        ({"notes": (CHANCE,)}, False),
        ({"notes": (CHANCE, "anything else that was worth a note")}, True),
        ({"shared": True}, False),  # on the same machine it would share the cores again
    ],
)
def test_what_found_no_load_or_was_disturbed_is_measured_again(capacity: dict[str, Any], again: bool) -> None:
    shared = capacity.pop("shared", False)
    before = cell(services_ms=(10.0,), **capacity).model_copy(
        update={"measured_as": "k", "at_ms": MONTH_MS, "shared_cores": shared}
    )
    assert (find_same([before], "k", OBJECTIVE, MONTH_MS) is None) == again


def measured(**more: Any) -> Capacity:
    return cell(idle_p50_ms=10.0, services_ms=tuple([10.0] * 500), lam=80.0, verified_s=40.0, **more).capacity


def test_another_objective_needs_no_load_and_a_tighter_one_carries_less() -> None:
    rates = [for_objective(measured(), Objective(latency_ms=ms), 1).lambda_max for ms in (200, 100, 50, 25)]
    assert rates == sorted(rates, reverse=True)
    assert 0 < rates[-1] < rates[0] <= 96
    found = for_objective(measured(), Objective(latency_ms=50), 1)
    assert (found.method, found.verified_s, found.mu) == ("survey", 0.0, measured().mu)
    assert 0 < found.lambda_low < found.lambda_max < found.lambda_high <= found.mu


@pytest.mark.parametrize("latency_ms", [9.0, 10.0])
def test_an_objective_at_or_below_the_idle_latency_is_infeasible(latency_ms: float) -> None:
    found = for_objective(measured(), Objective(latency_ms=latency_ms), 1)
    assert (found.feasible, found.method, found.lambda_max) == (False, "infeasible", 0.0)
