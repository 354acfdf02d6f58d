"""Six networks that others made, with requests of the kind that they were trained for and what their answers say."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from PIL import Image, ImageDraw, ImageFont

from quickstart.example_models import MELODY, NAMES, heard, tone
from seatrial.tensors import Array, Tensors

WORDS = ("SEATRIAL", "HARBOUR", "COMPASS", "STAGING", "LEDGER", "CAPTAIN", "REPLICA", "VERDICT")
SPEECH_HZ, SPEECH_WINDOW, SPEECH_CONTEXT = 16_000, 512, 64
FILE_HEAD, FILE_END = 1024, 256  # bytes of a file's head, and of its tail; the token that stands for no byte


@dataclass(frozen=True)
class Network:
    """`file` is a glob below the packages. `requests` are by layer name; `says` is what an answer means, in a word, and
    `expected` what it must be for each request."""

    file: str
    latency_ms: float
    requests: Callable[[], list[Tensors]]
    says: Callable[[Mapping[str, Array], Path], str]
    expected: tuple[str, ...]


def _tones(layer: str) -> Callable[[], list[Tensors]]:
    return lambda: [{layer: tone(midi)} for midi in MELODY]


def _note(layer: str) -> Callable[[Mapping[str, Array], Path], str]:
    return lambda answer, _: heard(answer[layer])


def printed(word: str, size: tuple[int, int]) -> Array:
    """Black on white, in an image of (height, width) → [3, height, width] with values of −1 to 1."""
    image = Image.new("RGB", (size[1], size[0]), "white")
    font = ImageFont.load_default(size=34)
    left, top, right, bottom = font.getbbox(word)
    at = ((size[1] - (right - left)) / 2 - left, (size[0] - (bottom - top)) / 2 - top)
    ImageDraw.Draw(image).text(at, word, font=font, fill="black")
    return (np.asarray(image, np.float32).transpose(2, 0, 1) / 255 - 0.5) / 0.5


def _pages() -> list[Tensors]:
    return [{"x": printed(word, (160, 320))[None]} for word in WORDS]


def _where(answer: Mapping[str, Array], _: Path) -> str:
    """Where the map of text probabilities is high: `middle`, as the word was printed."""
    rows, columns = np.nonzero(next(iter(answer.values()))[0, 0] > 0.3)
    if not len(rows):
        return "nowhere"
    return "middle" if 60 < rows.mean() < 100 and 140 < columns.mean() < 180 else "elsewhere"


def _lines() -> list[Tensors]:
    return [{"x": printed(word, (48, 320))[None]} for word in WORDS]


def _read(answer: Mapping[str, Array], file: Path) -> str:
    """CTC's best path: repeats are one letter, class 0 is none; the letters are in the file."""
    metadata = {each.key: each.value for each in onnx.load(str(file)).metadata_props}
    letters = ["", *metadata["character"].splitlines(), " "]
    best = next(iter(answer.values()))[0].argmax(axis=-1)
    return "".join(letters[now] for before, now in zip([0, *best], best, strict=False) if now != before)


def _windows() -> list[Tensors]:
    """Silence, and a voice of sorts: a buzz at a speaker's pitch through two formants."""
    return [
        {
            "input": _buzz(pitch_hz) if pitch_hz else np.zeros((1, SPEECH_WINDOW + SPEECH_CONTEXT), np.float32),
            "state": np.zeros((2, 1, 128), np.float32),
            "sr": np.array([SPEECH_HZ], np.int64),
        }
        for pitch_hz in (0, 95, 0, 110, 0, 130, 0, 160)
    ]


def _buzz(pitch_hz: float) -> Array:
    time_s = np.arange(SPEECH_WINDOW + SPEECH_CONTEXT) / SPEECH_HZ
    harmonics = np.arange(1, int(4000 / pitch_hz)) * pitch_hz
    formants_hz = np.array([[700], [1220], [2600]])
    loud = np.exp(-(((harmonics - formants_hz) / 180) ** 2)).sum(axis=0) + 0.02
    wave: Array = (loud[:, None] * np.sin(2 * np.pi * harmonics[:, None] * time_s)).sum(axis=0)
    loudest = float(np.abs(wave).max())
    return np.asarray(0.3 * wave / loudest, np.float32)[None]


def _voice(answer: Mapping[str, Array], _: Path) -> str:
    probability = float(answer["output"][0, 0])
    return "silence" if probability < 0.2 else "sound"


def _files() -> list[Tensors]:
    python = "import numpy as np\n\n\ndef double(x):\n    return np.multiply(x, 2)\n\n\nclass Ship:\n    pass\n" * 8
    page = "<!DOCTYPE html>\n<html><head><title>Harbour</title></head><body><p>Ships</p></body></html>\n" * 8
    numbers = json.dumps([{"ship": word, "length_m": 12.5, "berths": [1, 2]} for word in WORDS], indent=1)
    shell = '#!/bin/bash\nset -eu\nfor ship in harbour/*; do\n  echo "$ship" | tee -a log.txt\ndone\n' * 8
    return [{"bytes": _ends(text.encode())} for text in (python, page, numbers, shell)]


def _ends(data: bytes) -> Array:
    """The first and last 1024 bytes, filled up with the token 256: [1, 2048], INT32."""
    head, tail = list(data.strip()[:FILE_HEAD]), list(data.strip()[-FILE_HEAD:])
    tokens = [*head, *[FILE_END] * (FILE_HEAD - len(head)), *[FILE_END] * (FILE_HEAD - len(tail)), *tail]
    return np.array([tokens], np.int32)


def _kind(answer: Mapping[str, Array], file: Path) -> str:
    labels: list[str] = json.loads((file.parent / "config.min.json").read_text())["target_labels_space"]
    return labels[int(answer["target_label"][0].argmax())]


_SCALE = tuple(f"{NAMES[midi % 12]}{midi // 12 - 1}" for midi in MELODY)

NETWORKS = {
    "pitch-savedmodel": Network(
        "basic_pitch/saved_models/icassp_2022/nmp", 400, _tones("input_2"), _note("note"), _SCALE
    ),
    "pitch-onnx": Network(
        "basic_pitch/saved_models/icassp_2022/nmp.onnx",
        400,
        _tones("serving_default_input_2:0"),
        _note("StatefulPartitionedCall:1"),
        _SCALE,
    ),
    "text-detection": Network("rapidocr/models/PP-OCRv6_det_*.onnx", 1500, _pages, _where, ("middle",) * len(WORDS)),
    "text-recognition": Network("rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx", 1500, _lines, _read, WORDS),
    "voice-activity": Network("silero_vad/data/silero_vad.onnx", 100, _windows, _voice, ("silence", "sound") * 4),
    "file-type": Network(
        "magika/models/standard_v3_3/model.onnx", 200, _files, _kind, ("python", "html", "json", "shell")
    ),
}
