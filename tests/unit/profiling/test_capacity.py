"""What a measured capacity says about itself."""

from __future__ import annotations

import numpy as np
import pytest

from seatrial.profiling.bench import Bench
from seatrial.profiling.cell import Objective
from seatrial.profiling.load import LoadResult


@pytest.mark.parametrize(("late", "notes"), [(2, 0), (5, 1)])
def test_a_level_that_only_chance_excuses_says_so_with_its_numbers(late: int, notes: int) -> None:
    bench = Bench("127.0.0.1:1", None, [], 1, Objective(percentile=99, latency_ms=200), lambda _: None, seed=1)
    latency = np.array([0.5] * late + [0.05] * (300 - late))
    bench.note_chance(LoadResult(10.0, 30.0, latency, np.arange(300) / 10, np.zeros(300), 0, (), False))
    assert len(bench.notes) == notes
    if notes:
        assert bench.notes == ["at 10.0 requests/s 5 of 300 were late, in 1 burst(s): no proof of more than 1.0%"]
