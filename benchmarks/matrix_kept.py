"""What was measured is kept in files, so that a benchmark that was ended goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.matrix_stages import Machine
from seatrial.hardware import HardwareOption
from seatrial.profiling.cell import Cell


@dataclass
class Kept:
    """What a machine measured in the stages, in one file for each stage and option: what stands there is not measured
    again, and its seconds count."""

    machine: Machine
    folder: Path
    seconds: float = 0.0

    def survey(self, option: HardwareOption) -> Cell:
        return self._once("survey", option, lambda: self.machine.survey(option))

    def measure(self, cell: Cell) -> Cell:
        return self._once("measure", cell.option, lambda: self.machine.measure(cell))

    def verify(self, cell: Cell) -> Cell:
        return self._once("verify", cell.option, lambda: self.machine.verify(cell))

    def _once(self, stage: str, option: HardwareOption, measure: Callable[[], Cell]) -> Cell:
        def timed() -> dict[str, Any]:
            before, cell = self.machine.seconds, measure()
            return {"seconds": self.machine.seconds - before, "cell": cell.model_dump(mode="json")}

        known = once(self.folder / f"{stage}-{option.name}.json", timed)
        self.seconds += known["seconds"]
        return Cell.model_validate(known["cell"])


def once(file: Path, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What the file has; where there is none, it is made of what `measure` finds."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        part.write_text(json.dumps(measure()))
        part.rename(file)
    return dict(json.loads(file.read_text()))
