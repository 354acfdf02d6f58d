"""What the environment says."""

from __future__ import annotations

import pytest

from seatrial.settings import Settings


@pytest.mark.parametrize(("said", "cores"), [({}, 0.1), ({"SEATRIAL_OTHER_WORK_CORES": "0"}, 0.0)])
def test_other_work_beside_a_measurement_has_a_limit(said: dict[str, str], cores: float) -> None:
    assert Settings.read(said).other_work_cores == cores


def test_other_work_beside_a_measurement_may_be_any() -> None:
    assert Settings.read({"SEATRIAL_OTHER_WORK_CORES": "any"}).other_work_cores is None
