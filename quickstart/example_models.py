"""The example network: basic-pitch (Spotify, Apache-2.0), one network as ONNX and as SavedModel, as two uploads."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from seatrial.tensors import Array, to_npz

WINDOW = 43_844  # samples at 22 050 Hz: the network's input, about two seconds
RATE_HZ = 22_050
MELODY = (60, 62, 64, 65, 67, 69, 71, 72)  # C major from middle C, as MIDI notes
NAMES = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")

# The two files name their tensors differently; services see audio, note, onset, contour.
LAYERS = {
    "onnx": {
        "audio": "serving_default_input_2:0",
        "contour": "StatefulPartitionedCall:0",
        "note": "StatefulPartitionedCall:1",
        "onset": "StatefulPartitionedCall:2",
    },
    "savedmodel": {"audio": "input_2"},
}
SOURCE = {"onnx": "nmp.onnx", "savedmodel": "nmp"}
TARGET = {"onnx": "model.onnx", "savedmodel": "saved_model"}


def tone(midi: int, seed: int = 0) -> Array:
    """A plucked string: a decaying note with overtones and a little noise; shape [1, 43844, 1], FP32."""
    time_s = np.arange(WINDOW) / RATE_HZ
    pitch_hz = 440.0 * 2 ** ((midi - 69) / 12)
    strings = sum(np.sin(2 * np.pi * pitch_hz * k * time_s) * np.exp(-time_s * (1 + k)) / k for k in range(1, 7))
    noise = np.random.default_rng(seed).normal(0, 0.002, WINDOW)
    return (0.3 * strings + noise).astype(np.float32).reshape(1, WINDOW, 1)


def heard(note: Array) -> str:
    """The note that the network heard: `note` has 88 piano keys from A0 (MIDI 21) in its last axis."""
    midi = 21 + int(note[0].mean(axis=0).argmax())
    return f"{NAMES[midi % 12]}{midi // 12 - 1}"


def write_upload(folder: Path, package: Path, model_format: str, description: str) -> Path:
    """A complete upload: manifest, the network's files from the package, and eight notes as samples."""
    networks = next(package.glob("**/saved_models/icassp_2022"))
    source, target = networks / SOURCE[model_format], folder / TARGET[model_format]
    folder.mkdir(parents=True)
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copy(source, target)
    samples = []
    (folder / "samples").mkdir()
    for midi in MELODY:
        path = folder / "samples" / f"note-{midi}.npz"
        path.write_bytes(to_npz({"audio": tone(midi)}))
        samples.append(f"samples/{path.name}")
    manifest = _manifest(model_format, description, samples)
    (folder / "model.yaml").write_text(yaml.safe_dump(manifest, sort_keys=False, allow_unicode=True))
    return folder


def _manifest(model_format: str, description: str, samples: list[str]) -> dict[str, Any]:
    return {
        "name": "pitch",
        "format": model_format,
        "model_file": TARGET[model_format],
        "description": description,
        "user": "quickstart",
        "tags": {"paper": "ICASSP 2022", "task": "polyphonic transcription"},
        "hyper_parameters": {"window_samples": WINDOW, "sample_rate_hz": RATE_HZ},
        "layers": LAYERS[model_format],
        "objective": {"percentile": 99, "latency_ms": 150},
        "comparison": {"latency_ratio": 1.5, "production_share": 0.5},
        "samples": samples,
        "capture": {"share": 1.0, "per_minute": 600},
    }
