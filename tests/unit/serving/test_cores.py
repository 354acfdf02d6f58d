from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.errors import Refused
from seatrial.serving.cores import pick_cores


@given(st.integers(1, 4), st.lists(st.sets(st.integers(0, 3), min_size=1).map(tuple), max_size=4))
def test_core_sets_are_disjoint_while_cores_are_free(count: int, taken: list[tuple[int, ...]]) -> None:
    found = pick_cores(count, range(4), taken)
    assert len(set(found)) == count
    used = {core for core_set in taken for core in core_set}
    free = set(range(4)) - used
    assert len(set(found) & free) == min(count, len(free))


def test_more_cores_than_there_are_is_refused() -> None:
    with pytest.raises(Refused, match="needs 3 cores, this machine has 2"):
        pick_cores(3, (0, 1), [])
