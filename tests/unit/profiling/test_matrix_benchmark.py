"""The stages of the matrix benchmark in one process, and how they go on where they were ended."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmarks.matrix_kept import Kept
from benchmarks.matrix_stages import staged
from seatrial.hardware import HardwareOption
from seatrial.profiling.cell import Cell
from tests.unit.autoscale.test_derive_and_choose import cell

OPTIONS = [HardwareOption(name=f"c{n}", cores=n, threads=n, price=n**1.1) for n in range(1, 7)]


class Ended(Exception):
    """The benchmark was ended here."""


@dataclass
class Machine:
    """100 requests/s a core, in 10 s each time; it ends after so many of them. `none_held`: options that keep no long
    level."""

    ends_after: int = 99
    none_held: tuple[str, ...] = ()
    seconds: float = 0.0

    def survey(self, option: HardwareOption) -> Cell:
        return self._cell(option, method="survey")

    def measure(self, of: Cell) -> Cell:
        return self._cell(of.option)

    def verify(self, of: Cell) -> Cell:
        if of.option.name in self.none_held:
            return self._cell(of.option, feasible=False, method="infeasible", lambda_max=0.0, verified_s=40)
        return self._cell(of.option, verified_s=40)

    def _cell(self, option: HardwareOption, **capacity: Any) -> Cell:
        if self.ends_after == 0:
            raise Ended
        self.ends_after -= 1
        self.seconds += 10
        found = cell(option.name, lam=100.0 * option.cores, **capacity)
        return found.model_copy(update={"option": option})


@pytest.mark.parametrize("ends_after", range(1, 11))
def test_what_was_ended_goes_on_with_what_it_kept(tmp_path: Path, ends_after: int) -> None:
    whole = staged(OPTIONS, at_once := Machine())
    assert at_once.seconds > 10 * ends_after
    with pytest.raises(Ended):
        staged(OPTIONS, Kept(Machine(ends_after), tmp_path))
    rest = Kept(Machine(), tmp_path)
    assert staged(OPTIONS, rest) == whole
    assert (rest.seconds, rest.machine.seconds) == (at_once.seconds, at_once.seconds - 10 * ends_after)


def test_an_option_that_keeps_no_long_level_loses_to_one_that_does() -> None:
    first = staged(OPTIONS, Machine()).cell.option.name
    second = staged(OPTIONS, Machine(none_held=(first,)))
    assert (first, second.cell.option.name) == ("c1", "c2")
    assert second.cell.capacity.verified_s == 40
