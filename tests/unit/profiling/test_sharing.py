"""How many replicas share a GPU."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.hardware import HardwareOption
from seatrial.profiling.sharing import MOST, Alone, neighbours_of
from tests.unit.autoscale.test_derive_and_choose import cell


def on(share: float | None) -> HardwareOption:
    return HardwareOption.model_validate({"name": "gpu", "device": "gpu", "mps_share": share})


@given(st.floats(1 / (MOST + 1), 1))
def test_all_shares_fit_the_gpu_and_one_more_would_not(share: float) -> None:
    replicas = 1 + neighbours_of(on(share))
    assert replicas * share <= 1 + 1e-4
    assert (replicas + 1) * share > 1


@pytest.mark.parametrize(("share", "others"), [(1, 0), (1 / 2, 1), (1 / 3, 2), (0.25, 3), (0.1, 9), (0.001, MOST)])
def test_of_k_replicas_all_but_one_are_neighbours(share: float, others: int) -> None:
    assert neighbours_of(on(share)) == others


def test_what_shares_no_gpu_has_none() -> None:
    assert neighbours_of(on(None)) == 0
    assert neighbours_of(HardwareOption(name="cpu")) == 0


def test_interference_is_what_it_would_carry_alone_over_what_it_carries() -> None:
    beside = cell(mu=80.0).model_copy(update={"alone": Alone(neighbours=3, mu=100.0, lambda_max=90.0)})
    assert beside.interference == pytest.approx(1.25)
    assert cell().interference is None
