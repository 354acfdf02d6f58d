"""One hostile upload: how it is built, and what its refusal must name."""

from __future__ import annotations

import os
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

MOST_FILES, MOST_TOGETHER = 9_000, 7 * 2**30
"""What the manager of these tests is set to: files and bytes of an upload, both other than they are by themselves."""

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


def large_onnx(folder: Path, *, floats: int) -> Path:
    """A sound upload of y = x + a row of its weights, which are zeros in a file of their own."""
    from onnx import TensorProto, helper

    write_upload(folder, model=False)
    weights = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[floats // 4, 4])
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="w.bin")
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 4]) for name in "xy")
    nodes = [helper.make_node("Gather", ["w", "first"], ["row"]), helper.make_node("Add", ["x", "row"], ["y"])]
    first = helper.make_tensor("first", TensorProto.INT64, [1], [0])
    graph = helper.make_graph(nodes, "large", [x], [y], [weights, first])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    (folder / "w.bin").touch()
    os.truncate(folder / "w.bin", 4 * floats)
    return folder
