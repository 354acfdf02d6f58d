"""What shadow validation is tried on: two networks of others, and one of our own training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from quickstart.example_models import LAYERS, tone
from seatrial.tensors import Array, Tensors
from tests.networks.networks import NETWORKS, printed

AUDIO = "serving_default_input_2:0"
SHAPES, POINTS = 10, 64


@dataclass(frozen=True)
class ShadowSubject:
    """`file` makes the network's ONNX file below a folder; `requests` so many different ones. `channels`: two places of
    the first output's last dimension that matter. `labels`: two that it says often. `outputs`: two of one shape, where
    there are any. `pairs`: of servers that a harmless change is tried on, the more the quicker it answers."""

    file: Callable[[Path, Path], Path]
    requests: Callable[[int], list[Tensors]]
    channels: tuple[int, int]
    labels: tuple[int, int] = (2, 3)
    outputs: tuple[int, int] | None = None
    pairs: int = 2
    savedmodel: tuple[str, Mapping[str, str]] | None = None
    """The same network as a SavedModel: its glob, and what its tensors are called as ONNX."""


def _of_network(name: str) -> Callable[[Path, Path], Path]:
    return lambda networks, _: sorted(networks.glob(NETWORKS[name].file))[0]


def _music(count: int) -> list[Tensors]:
    """Two notes at a time, one of them quieter."""
    random = np.random.default_rng(1)
    found: list[Tensors] = []
    for number in range(count):
        low, high = random.integers(40, 90, size=2)
        found.append({AUDIO: tone(int(low), number) + np.float32(random.uniform(0, 1)) * tone(int(high), number + 1)})
    return found


def _words(count: int) -> list[Tensors]:
    random = np.random.default_rng(2)
    letters = np.array(list("ABCDEFGHIJKLMNOPRSTUVWY"))
    return [{"x": printed("".join(random.choice(letters, size=8)), (48, 320))[None]} for _ in range(count)]


def _shapes(count: int, seed: int = 3) -> list[Tensors]:
    return [{"points": points[None]} for points in _drawn(count, seed)[0]]


def _drawn(count: int, seed: int) -> tuple[Array, Array]:
    """Points on one of ten curves with noise, and which curve."""
    random = np.random.default_rng(seed)
    kinds = random.integers(SHAPES, size=count)
    time = np.linspace(0, 1, POINTS)
    curves = np.sin(2 * np.pi * (1 + kinds[:, None]) * (time + random.uniform(size=(count, 1))))
    return (curves + random.normal(0, 0.3, curves.shape)).astype(np.float32), kinds


def _trained(_: Path, folder: Path) -> Path:
    """Two layers that tell the curves apart, by gradient descent on cross-entropy: right for 9 of 10 or more."""
    x, kinds = _drawn(20_000, seed=4)
    random = np.random.default_rng(5)
    hidden = 128
    w1, w2 = random.normal(0, 0.1, (POINTS, hidden)), random.normal(0, 0.1, (hidden, SHAPES))
    b1, b2 = np.zeros(hidden), np.zeros(SHAPES)
    for step in range(3000):
        at = random.integers(len(x), size=128)
        inside = np.maximum(0, x[at] @ w1 + b1)
        wrong = _softmax(inside @ w2 + b2)
        wrong[np.arange(128), kinds[at]] -= 1
        back = (wrong @ w2.T) * (inside > 0)
        rate = 0.2 / 128 * (1 - step / 3000)
        w2, b2 = w2 - rate * inside.T @ wrong, b2 - rate * wrong.sum(axis=0)
        w1, b1 = w1 - rate * x[at].T @ back, b1 - rate * back.sum(axis=0)
    test, truth = _drawn(2000, seed=6)
    right = np.mean((np.maximum(0, test @ w1 + b1) @ w2 + b2).argmax(axis=1) == truth)
    assert right > 0.9, f"the network of our own is right for {right:.0%} only"
    weights = {"w1": w1, "b1": b1, "w2": w2, "b2": b2}
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["points", "w1", "b1"], ["h"]),
            helper.make_node("Relu", ["h"], ["r"]),
            helper.make_node("Gemm", ["r", "w2", "b2"], ["s"]),
            helper.make_node("Softmax", ["s"], ["scores"], axis=1),
        ],
        "curves",
        [helper.make_tensor_value_info("points", 1, ["batch", POINTS])],
        [helper.make_tensor_value_info("scores", 1, ["batch", SHAPES])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
    )
    file = folder / "curves.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(file))
    return file


def _softmax(scores: Array) -> Array:
    shares: Array = np.exp(scores - scores.max(axis=1, keepdims=True))
    normalised: Array = shares / shares.sum(axis=1, keepdims=True)
    return normalised


SUBJECTS = {
    "pitch": ShadowSubject(
        _of_network("pitch-onnx"),
        _music,
        channels=(30, 45),
        outputs=(0, 1),
        savedmodel=(
            NETWORKS["pitch-savedmodel"].file,
            {own: LAYERS["savedmodel"].get(layer, layer) for layer, own in LAYERS["onnx"].items()},
        ),
    ),
    "text-recognition": ShadowSubject(_of_network("text-recognition"), _words, channels=(0, 1), labels=(1218, 5193)),
    "curves": ShadowSubject(_trained, _shapes, channels=(0, 1), pairs=20),
}
