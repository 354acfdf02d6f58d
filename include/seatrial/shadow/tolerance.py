"""How far apart two numbers may be (pure)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seatrial.tensors import Array


@dataclass(frozen=True)
class Room:
    """`atol` + `rtol` times the reference's value."""

    rtol: float
    atol: float

    def of(self, reference: Array) -> Array:
        room: Array = self.atol + self.rtol * np.abs(reference)
        return room
