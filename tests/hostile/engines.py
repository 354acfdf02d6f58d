"""TensorRT plans: cut, longer than they say, of no version, and the files that are taken for one."""

from __future__ import annotations

import random
import struct
from pathlib import Path

from tests.hostile.case import OPTIONS, Case, flipped, onnx_file, plan_file, saved_model_file, sound_plan
from tests.plans import archive, plan
from tests.saved_models import saved_model

NAME = "model.plan"
SOUND = plan((10, 3, 0, 26))
OLD = archive((8, 5, 3, 1))
JSON = b'{"task": "detect", "imgsz": [640, 640]}'


def _bytes(data: bytes, *says: str) -> Case:
    return Case(plan_file(data), NAME, says)


def _patched(at: int, value: bytes, data: bytes = SOUND) -> bytes:
    return data[:at] + value + data[at + len(value) :]


def _link(folder: Path) -> None:
    (sound_plan(folder) / NAME).unlink()
    (folder / NAME).symlink_to("/etc/passwd")


CUTS = {f"cut-at-{at}": _bytes(SOUND[:at], "header") for at in (1, 4, 16, 24, 28, 32, 63)}
CUTS |= {f"cut-at-{at}": _bytes(SOUND[:at], "size", "cut off") for at in (64, 100, 300, len(SOUND) - 4, len(SOUND) - 1)}
CUTS |= {f"old-cut-at-{at}": _bytes(OLD[:at], "header") for at in (4, 23, 44)}
CUTS |= {f"old-cut-at-{at}": _bytes(OLD[:at], "size", "cut off") for at in (64, len(OLD) - 1)}

FRIENDS = {
    "empty": _bytes(b"", "is empty"),
    "LFS-pointer": _bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "Git LFS"),
    "timing-cache": _bytes(
        b"ptrt" + struct.pack("<IIIQ", 0, 236, 0, 400) + b"\x18\x80\x01\x00" + bytes(396), "timing cache"
    ),
    "calibration-table": _bytes(b"TRT-7103-EntropyCalibration2\nx: 3c010a14\n" + bytes(64), "calibration table"),
    "Ultralytics": _bytes(struct.pack("<I", len(JSON)) + JSON + SOUND, "text before the plan"),
    "Ultralytics-4-GB": _bytes(b"\xff\xff\xff\xff" + JSON + SOUND, "header"),
    "ONNX": _bytes(b"\x08\x07\x12\x07pytorch" + bytes(64), "header"),
    "zip": _bytes(b"PK\3\4" + bytes(64), "header"),
    "text": _bytes(b"not a plan\n" * 20, "header"),
    "noise": _bytes(random.Random(3).randbytes(10_000), "header"),
    "TensorRT-RTX": _bytes(plan((1, 1, 0, 0)), "header"),
    "version-4": _bytes(plan((4, 0, 1, 6)), "header"),
    "version-200": _bytes(plan((200, 0, 0, 0)), "header"),
    "old-version-5": _bytes(archive((5, 1, 5, 0)), "header"),
    "another-magic": _bytes(_patched(0, b"fTRT"), "header"),
    "another-header": _bytes(_patched(4, b"\1"), "header"),
    "link": Case(_link, NAME, ("symbolic link",)),
}

LIES = {
    "longer": _bytes(SOUND + b"\0", "size", "too many"),
    "much-longer": _bytes(SOUND + bytes(100_000), "size", "too many"),
    "size-of-everything": _bytes(_patched(16, b"\xff" * 8), "size", "cut off"),
    "size-of-nothing": _bytes(_patched(16, bytes(8)), "size", "too many"),
    "old-size-of-everything": _bytes(_patched(16, b"\xff" * 8, OLD), "size", "cut off"),
    "no-trailer": _bytes(_patched(len(SOUND) - 4, bytes(4)), "end"),
    "no-sections": _bytes(_patched(8, bytes(8)), "sections"),
    "sections-of-everything": _bytes(_patched(8, b"\xff" * 8), "sections"),
    "section-behind-the-end": _bytes(_patched(40, struct.pack("<Q", 2**40)), "section"),
    "section-that-overflows": _bytes(_patched(48, b"\xff" * 8), "section"),
    "another-version-inside": _bytes(_patched(56, archive((8, 6, 1, 6))[:64]), "engine", "8.6.1.6", "10.3.0.26"),
    "section-in-the-header": _bytes(_patched(40, bytes(8)), "section"),
}

FOREIGN = {
    "plan-as-ONNX": Case(onnx_file(SOUND), "model.onnx", ()),
    "plan-as-SavedModel": Case(saved_model_file(SOUND), "saved_model/saved_model.pb", ()),
    "SavedModel-as-plan": _bytes(saved_model(), "header"),
    "SavedModel-as-ONNX": Case(onnx_file(saved_model()), "model.onnx", ()),
    "no-GPU": Case(sound_plan, NAME, ("needs an NVIDIA GPU", "cpu-1x1"), options=OPTIONS[:1]),
    "no-option": Case(sound_plan, NAME, ("needs an NVIDIA GPU", "none"), options=()),
}


def _flipped(seed: int, data: bytes) -> Case:
    return Case(plan_file(flipped(data, seed, bits=2, within=80)), NAME, may_pass=True)


CASES = {
    **CUTS,
    **FRIENDS,
    **LIES,
    **FOREIGN,
    **{f"flip-{seed}": _flipped(seed, SOUND) for seed in range(8)},
    **{f"flip-of-an-old-one-{seed}": _flipped(seed, OLD) for seed in range(4)},
}
