from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.errors import UploadRefused
from seatrial.formats.tensorrt import HEADER_BYTES, inspect, read_header
from tests.plans import NO_PLANS, REAL_HEADERS, Version, archive, plan, real_plans

ARCHIVES: list[Version] = [(6, 0, 1, 10), (7, 1, 3, 0), (8, 0, 1, 6), (8, 2, 1, 8), (8, 5, 3, 1)]
PLANS: list[Version] = [(8, 6, 1, 6), (10, 0, 1, 6), (10, 15, 1, 29), (11, 1, 0, 106)]
WHOLE = [*(archive(version) for version in ARCHIVES), *(plan(version) for version in PLANS), plan((10, 6, 0, 26), 2)]
ALL_VERSIONS = [*ARCHIVES, *PLANS, (10, 6, 0, 26)]


def _refusal(folder: Path, data: bytes) -> UploadRefused:
    (folder / "model.plan").write_bytes(data)
    with pytest.raises(UploadRefused) as caught:
        inspect(folder, "model.plan")
    assert caught.value.fields["file"] == "model.plan"
    return caught.value


@pytest.mark.parametrize(("data", "version"), list(zip(WHOLE, ALL_VERSIONS, strict=True)), ids=map(str, ALL_VERSIONS))
def test_a_plan_of_every_generation_tells_its_version_and_length(tmp_path: Path, data: bytes, version: Version) -> None:
    (tmp_path / "model.plan").write_bytes(data)
    facts = inspect(tmp_path, "model.plan")
    assert facts.runtime == {"tensorrt": ".".join(map(str, version))}
    assert facts.files == ("model.plan",)
    assert facts.signature is None, "a plan's header does not say its tensors"


@pytest.mark.parametrize("data", WHOLE, ids=map(str, ALL_VERSIONS))
def test_a_plan_of_another_length_than_it_says_is_refused_with_both(tmp_path: Path, data: bytes) -> None:
    for other, said in ((data[:-1], "cut off"), (data[:HEADER_BYTES], "cut off"), (data + b"\0", "too many")):
        refusal = _refusal(tmp_path, other)
        assert said in str(refusal)
        assert (refusal.fields["field"], refusal.fields["value"]) == ("size", str(len(other)))
        assert str(len(data)) in refusal.fields["limit"]


@pytest.mark.parametrize("data", WHOLE, ids=map(str, ALL_VERSIONS))
def test_a_header_cut_anywhere_is_no_plan(data: bytes) -> None:
    assert all(read_header(data[:length]) is None for length in range(HEADER_BYTES))


@pytest.mark.parametrize(
    "data",
    [
        b"ptrt" + bytes(500),
        b"ptrt" + struct.pack("<IIIQ", 0, 236, 0, 400) + b"\x18\x80\x01\x00" + bytes(396),  # a timing cache
        b"ftrt\1\0\0\0" + plan((8, 6, 1, 6))[8:],
        b"fTRT" + plan((8, 6, 1, 6))[4:],
        b"TRT-7103-EntropyCalibration2\nx: 3c010a14\n" + bytes(64),
        plan((1, 1, 0, 0)),  # TensorRT-RTX counts on its own
        plan((4, 0, 1, 6)),
        plan((200, 0, 0, 0)),
        archive((5, 1, 5, 0)),
        b"\x08\x07\x12\x07pytorch" + bytes(64),
        b"PK\x03\x04" + bytes(64),
        b"x",
    ],
    ids=[
        "archive without version",
        "timing cache",
        "another header version",
        "wrong magic",
        "calibration table",
        "TensorRT-RTX",
        "version 4",
        "version 200",
        "version 5",
        "ONNX",
        "zip",
        "one byte",
    ],
)
def test_what_is_no_plan_is_refused_by_its_header(tmp_path: Path, data: bytes) -> None:
    refusal = _refusal(tmp_path, data)
    assert refusal.fields["field"] == "header"
    assert "6.0 or later" in refusal.fields["limit"]


def test_a_plan_behind_the_json_of_an_exporter_is_refused_by_that_name(tmp_path: Path) -> None:
    text = b'{"task": "detect", "imgsz": [640, 640]}'
    refusal = _refusal(tmp_path, struct.pack("<I", len(text)) + text + plan((10, 0, 1, 6)))
    assert "text before the plan" in str(refusal)


def test_an_empty_file_a_pointer_a_link_and_a_folder_are_refused(tmp_path: Path) -> None:
    assert "is empty" in str(_refusal(tmp_path, b""))
    assert "Git LFS" in str(_refusal(tmp_path, b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"))
    (tmp_path / "link.plan").symlink_to(tmp_path / "model.plan")
    (tmp_path / "folder.plan").mkdir()
    for name in ("link.plan", "folder.plan", "absent.plan"):
        with pytest.raises(UploadRefused, match=name):
            inspect(tmp_path, name)


@given(st.binary(max_size=4 * HEADER_BYTES), st.sampled_from([b"", b"ftrt", b"ftrt\0\0\0\0", b"ptrt", b"ptrt\0\0\0\0"]))
def test_no_bytes_make_the_reader_raise(data: bytes, magic: bytes) -> None:
    header = read_header(magic + data)
    assert header is None or (header.declared_bytes >= 0 and header.version.count(".") == 3)


@given(st.sampled_from(WHOLE), st.integers(0, HEADER_BYTES - 1), st.integers(0, 255))
def test_one_changed_byte_never_makes_the_reader_raise(data: bytes, at: int, value: int) -> None:
    changed = bytearray(data)
    changed[at] = value
    header = read_header(bytes(changed))
    assert header is None or header.declared_bytes >= 0


@real_plans
def test_headers_of_real_plans_tell_the_version_in_their_names() -> None:
    read = 0
    for file in [*REAL_HEADERS, *NO_PLANS]:
        header = read_header(file.read_bytes()[:HEADER_BYTES])
        if file.name.startswith(("not-a-plan", "trt-5.")):
            assert header is None, file.name
        else:
            assert header is not None, file.name
            assert file.name.startswith(f"trt-{header.version}-")
            read += 1
    assert read > 30
