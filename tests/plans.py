"""Headers of TensorRT plans of every generation, put together byte by byte: no plan can be built without a GPU. And
where those of real plans are."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from seatrial.formats.tensorrt_device import Layout

Version = tuple[int, int, int, int]

TRAILER = b"\x99\x8b\x8d\x8b"
# generation → the four bytes of the tag before a one-byte field
BYTE_TAG = {"6.0": b"\x02\x00\x01\x00", "8.0": b"\x02\x00\x01\x00", "8.2": b"\x02\x80\x01\x00"}
# kind of a device's value → the first byte of its tag, and how it is packed
FORMS = {"i": (7, "<i"), "l": (8, "<q"), "L": (9, "<Q"), "b": (10, "<B")}
MEMORY_BYTES = 12 * 2**30


REAL = Path(__file__).parents[2] / "shared" / "tensorrt"
"""Beside the project: the first kilobytes of real plans in `headers/`, and a reader of them by another hand."""
REAL_HEADERS = sorted((REAL / "headers").glob("trt-*.bin"))
NO_PLANS = sorted((REAL / "headers").glob("not-a-plan*"))
real_plans = pytest.mark.skipif(not REAL_HEADERS, reason="no folder with headers of real plans beside the project")


def archive(version: Version, payload: int = 400) -> bytes:
    """A `ptrt` archive as TensorRT 6.0 to 8.5 write it, `payload` bytes long after its 24 bytes of header."""
    generation = "6.0" if version[0] < 8 else "8.0" if version[:2] < (8, 2) else "8.2"
    head = {
        "6.0": struct.pack("<4sIIQI", b"ptrt", 97, 211, payload, 0xC0FFEE),
        "8.0": struct.pack("<4sIIIQ", b"ptrt", 43, 256, 0xC0FFEE, payload),
        "8.2": struct.pack("<4sIIIQ", b"ptrt", 0, 232, 0, payload),
    }[generation]
    fields = b"".join(BYTE_TAG[generation] + bytes([part]) for part in version)
    return head + fields + bytes(payload - len(fields))


def device_archive(layout: Layout, capability: tuple[int, int] = (8, 6), multiprocessors: int = 28) -> bytes:
    """The beginning of an archive of TensorRT 10.3 whose one object has the values of `layout` behind four bytes of
    version."""
    values = [1] * len(layout.kinds)
    values[layout.capability : layout.capability + 2] = capability
    values[layout.multiprocessors] = multiprocessors
    if layout.memory is not None:
        values[layout.memory] = MEMORY_BYTES
    data = b"ptrt" + bytes(20) + b"".join(BYTE_TAG["8.2"] + bytes([part]) for part in (10, 3, 0, 26))
    data += b"\xd2\x80\x01\x00"
    for kind, value in zip(layout.kinds, values, strict=True):
        tag, form = FORMS[kind]
        data += bytes([tag, 0x80, 1, 0]) + struct.pack(form, value)
    return data + b"\xd2\x7f"


def plan(version: Version, sections: int = 1, payload: int = 400) -> bytes:
    """A `ftrt` plan as TensorRT 8.6 and later write it, with its trailer."""
    first = 32 + 24 * sections
    rows = struct.pack("<4sIQQ", b"NGNE", 0, first, payload)
    rows += struct.pack("<4sIQQ", b"THGW", 0, first + payload, 0) * (sections - 1)
    size = first + payload + len(TRAILER)
    head = struct.pack("<4sIQQ4B4s", b"ftrt", 0, sections, size, *version, b"rtrt")
    return head + rows + bytes(payload) + TRAILER
