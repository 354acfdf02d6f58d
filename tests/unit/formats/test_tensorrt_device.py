"""The build GPU out of an engine archive: known layouts only, and only values that can be a GPU's."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.formats.tensorrt_device import LAYOUTS, BuildDevice, Layout, read_device
from tests.plans import MEMORY_BYTES, REAL_HEADERS, device_archive, real_plans


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: str(layout.kinds))
def test_each_layout_tells_capability_multiprocessors_and_memory(layout: Layout) -> None:
    memory = None if layout.memory is None else MEMORY_BYTES // 2**20
    assert read_device(device_archive(layout)) == BuildDevice("8.6", 28, memory)


@pytest.mark.parametrize(
    ("capability", "multiprocessors"), [((0, 0), 28), ((21, 0), 28), ((8, 11), 28), ((8, 6), 0), ((8, 6), 5000)]
)
def test_values_that_no_gpu_has_stay_unknown(capability: tuple[int, int], multiprocessors: int) -> None:
    assert read_device(device_archive(LAYOUTS[0], capability, multiprocessors)) is None


def test_a_cut_or_unknown_archive_stays_unknown() -> None:
    whole = device_archive(LAYOUTS[-1])
    assert read_device(b"ptrt" + bytes(400)) is None
    assert all(read_device(whole[:length]) is None for length in range(len(whole) - 7))


@given(st.binary(max_size=600))
def test_no_bytes_make_it_raise(data: bytes) -> None:
    read_device(b"ptrt" + data)


@real_plans
def test_real_plans_tell_the_capability_in_their_names() -> None:
    read = 0
    for file in REAL_HEADERS:
        data = file.read_bytes()
        major, minor = re.search(r"-sm(\d+)(\d)-", file.name).groups()  # type: ignore[union-attr]
        if not file.name.startswith("trt-5."):
            device = read_device(data[data.index(b"ptrt") :])
            assert device is not None, file.name
            assert device.compute_capability == f"{major}.{minor}", file.name
            read += 1
    assert read > 30
