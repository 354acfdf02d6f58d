"""One hostile upload: how it is built, and what its refusal must name."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from seatrial.formats.check import CheckLimits
from seatrial.hardware import HardwareOption
from tests.models import write_upload
from tests.plans import plan
from tests.saved_models import write_saved_model

Build = Callable[[Path], object]

OPTIONS = (HardwareOption(name="cpu-1x1"), HardwareOption(name="gpu-any", device="gpu"))


@dataclass(frozen=True)
class Case:
    """`build` makes the upload in a folder that is not there yet. `says` are words of the refusal, `file` is its file.

    `may_pass` is for random damage, which may leave a sound upload that is accepted like any other; and for what shows
    only when a model runs, which is the trial server's to find: here it must take no time and no memory.
    """

    build: Build
    file: str
    says: tuple[str, ...] = ()
    may_pass: bool = False
    limits: CheckLimits | None = None
    options: tuple[HardwareOption, ...] = OPTIONS


def flipped(data: bytes, seed: int, *, bits: int, within: int | None = None) -> bytes:
    """`data` with some bits changed, the same ones for the same seed: of its first `within` bytes, else of all."""
    changed, draw = bytearray(data), random.Random(seed)
    for _ in range(bits):
        changed[draw.randrange(within or len(changed))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def onnx_file(data: bytes) -> Build:
    """An upload whose model.onnx holds `data`."""
    return lambda folder: (write_upload(folder, model=False) / "model.onnx").write_bytes(data)


def plan_file(data: bytes) -> Build:
    return lambda folder: (sound_plan(folder) / "model.plan").write_bytes(data)


def saved_model_file(data: bytes) -> Build:
    return lambda folder: write_saved_model(sound_saved_model(folder) / "saved_model", data)


def sound_onnx(folder: Path) -> Path:
    return write_upload(folder)


def sound_plan(folder: Path) -> Path:
    write_upload(folder, model=False, format="tensorrt")
    (folder / "model.plan").write_bytes(plan((10, 3, 0, 26)))
    return folder


def sound_saved_model(folder: Path) -> Path:
    write_upload(folder, model=False, format="savedmodel")
    write_saved_model(folder / "saved_model")
    return folder
