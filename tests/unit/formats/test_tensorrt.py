"""TensorRT plans by their header; headers are built from the layout of each generation."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.errors import UploadRefused
from seatrial.formats.tensorrt import HEADER_BYTES, inspect, read_header

REAL = Path(__file__).parents[4] / "shared" / "tensorrt" / "headers"
NEW_TAG, OLD_TAG = b"\x02\x80\x01\x00", b"\x02\x00\x01\x00"


def ftrt(version: tuple[int, int, int, int], size: int) -> bytes:
    """TensorRT 8.6 and later: an outer header with one section."""
    head = b"ftrt" + struct.pack("<IQQ4B4s", 0, 1, size, *version, b"rtrt")
    return (head + b"NGNE" + struct.pack("<IQQ", 0, 56, size - 56)).ljust(size, b"\0")


def archive(version: tuple[int, int, int, int], size: int) -> bytes:
    """TensorRT 6.0 to 8.5: the bare archive, in the layout of its generation."""
    payload = size - 24
    if version[0] < 8:
        head, tag = struct.pack("<IIQI", 40, 7, payload, 1), OLD_TAG
    elif version[:2] == (8, 0):
        head, tag = struct.pack("<IIIQ", 43, 256, 1, payload), OLD_TAG
    else:
        head, tag = struct.pack("<IIIQ", 0, 49, 0, payload), NEW_TAG
    return (b"ptrt" + head + b"".join(tag + bytes([number]) for number in version)).ljust(size, b"\0")


PLANS = {
    "10.9.0.34": ftrt((10, 9, 0, 34), 300),
    "8.6.1.6": ftrt((8, 6, 1, 6), 80),
    "8.5.2.2": archive((8, 5, 2, 2), 300),
    "8.0.1.6": archive((8, 0, 1, 6), 300),
    "7.1.3.0": archive((7, 1, 3, 0), 300),
}


@pytest.mark.parametrize("version", PLANS)
def test_the_version_and_the_size_are_read(version: str, tmp_path: Path) -> None:
    (tmp_path / "model.plan").write_bytes(PLANS[version])
    facts = inspect(tmp_path, "model.plan")
    assert facts.runtime == {"tensorrt": version}
    assert facts.signature is None, "a header does not hold it"


@pytest.mark.parametrize("version", PLANS)
def test_a_plan_that_is_cut_off_or_too_long_is_refused_with_both_sizes(version: str, tmp_path: Path) -> None:
    plan = tmp_path / "model.plan"
    whole = PLANS[version]
    for damaged, reason in ((whole[:-1], "cut off"), (whole + b"\0", "too many")):
        plan.write_bytes(damaged)
        with pytest.raises(UploadRefused, match=reason) as refused:
            inspect(tmp_path, "model.plan")
        said = str(refused.value)
        assert all(word in said for word in ("model.plan", "size", str(len(damaged)), str(len(whole)))), said


@pytest.mark.parametrize("content", [b"", b"ftrt", b"ONNX" * 40, b"ftrt\1\0\0\0" + bytes(80), ftrt((0, 0, 0, 0), 90)])
def test_what_is_no_plan_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.plan").write_bytes(content)
    with pytest.raises(UploadRefused, match=r"starts no TensorRT plan|is empty"):
        inspect(tmp_path, "model.plan")


@given(st.sampled_from(sorted(PLANS)), st.integers(0, HEADER_BYTES - 1), st.integers(0, 255))
def test_a_changed_byte_never_raises(version: str, at: int, value: int) -> None:
    start = bytearray(PLANS[version][:HEADER_BYTES])
    start[at] = value
    header = read_header(bytes(start))
    assert header is None or re.fullmatch(r"\d+\.\d+\.\d+\.\d+", header.version)


@given(st.binary(max_size=200))
def test_other_bytes_are_no_plan(content: bytes) -> None:
    if not content.startswith((b"ftrt", b"ptrt")):
        assert read_header(content) is None


@pytest.mark.skipif(not REAL.is_dir(), reason="the collection of real headers is not beside this checkout")
def test_real_headers_say_what_their_builders_said() -> None:
    said = {}
    for path in sorted(REAL.glob("*.bin")):
        header = read_header(path.read_bytes()[:HEADER_BYTES])
        said[path.name] = header.version if header else None
    expected = {name: (found.group(1) if (found := re.match(r"trt-([\d.]+)-", name)) else None) for name in said}
    wrong = {name: version for name, version in said.items() if version != expected[name]}
    assert set(wrong) <= {name for name in wrong if name.startswith("trt-5.")}, "5.0 has no magic at its start"
