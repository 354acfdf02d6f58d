"""Real plans of 22 releases of TensorRT, as far as their first kilobyte: what the check says of each.

The headers and a reader of another hand lie beside the project. A plan is made whole again by its size and its end.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seatrial.errors import UploadRefused
from seatrial.formats.tensorrt import TRAILER, inspect, read_header
from seatrial.formats.tensorrt_fit import fits, in_words
from seatrial.hardware import HardwareOption
from seatrial.uploads.manifest import Engine
from tests.plans import NO_PLANS, REAL, REAL_HEADERS, real_plans

PLANS = [file for file in REAL_HEADERS if not file.name.startswith("trt-5.")]

pytestmark = real_plans


@pytest.fixture(scope="module")
def reference() -> Callable[..., Any]:
    spec = importlib.util.spec_from_file_location("plan_header", REAL / "plan_header.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.read_plan  # type: ignore[no-any-return]


def whole(folder: Path, file: Path) -> str:
    """The plan with zeros where its layers were, as `model.plan` in the folder."""
    data = file.read_bytes()
    header = read_header(data[:64])
    assert header is not None
    with (folder / "model.plan").open("wb") as plan:
        plan.write(data[: header.declared_bytes])
        plan.truncate(header.declared_bytes)
        if data.startswith(b"ftrt"):
            plan.seek(-len(TRAILER), 2)
            plan.write(TRAILER)
    return "model.plan"


@pytest.mark.parametrize("file", PLANS, ids=lambda file: file.stem)
def test_version_gpu_multiprocessors_and_memory_are_those_that_the_reference_reader_reads(
    file: Path, tmp_path: Path, reference: Callable[..., Any]
) -> None:
    name = whole(tmp_path, file)
    data = (tmp_path / name).read_bytes()
    expected = reference(data, len(data))
    device = expected["device"]
    memory = device.get("total_memory")
    assert inspect(tmp_path, name).runtime == {
        "tensorrt": ".".join(map(str, expected["trt_version"])),
        "built_on": ".".join(map(str, expected["compute_capability"])),
        "multiprocessors": str(device["sm_count"]),
        **({"memory_mib": str(memory // 2**20)} if memory else {}),
    }


@pytest.mark.parametrize("file", PLANS, ids=lambda file: file.stem)
def test_a_real_plan_that_is_cut_or_longer_is_refused(file: Path, tmp_path: Path) -> None:
    name = whole(tmp_path, file)
    size = (tmp_path / name).stat().st_size
    for other, said in ((size - 1, "cut off"), (1024, "cut off"), (size + 1, "too many")):
        with (tmp_path / name).open("r+b") as plan:
            plan.truncate(other)
        with pytest.raises(UploadRefused, match=said):
            inspect(tmp_path, name)


@pytest.mark.parametrize("file", PLANS, ids=lambda file: file.stem)
def test_a_real_plan_loads_where_its_own_gpu_and_version_are_and_nowhere_else(file: Path, tmp_path: Path) -> None:
    runtime = inspect(tmp_path, whole(tmp_path, file)).runtime
    version, built_on = runtime["tensorrt"], runtime["built_on"]
    own = HardwareOption(name="own", device="gpu", compute_capability=built_on, tensorrt=version)
    options = [own, own.model_copy(update={"name": "gpu", "compute_capability": "9.9"})]
    options += [own.model_copy(update={"name": "newer", "tensorrt": "30.1"})]
    said = in_words(version, built_on, fits(version, built_on, options, Engine()))
    assert said == (
        f"loads on own; not on gpu: built on {built_on} with TensorRT {version}, gpu is 9.9 with {version}; "
        f"not on newer: built on {built_on} with TensorRT {version}, newer is {built_on} with 30.1"
    )


def test_a_real_timing_cache_is_named_as_one(tmp_path: Path) -> None:
    (file,) = NO_PLANS
    (tmp_path / "model.plan").write_bytes(file.read_bytes())
    with pytest.raises(UploadRefused, match="timing cache"):
        inspect(tmp_path, "model.plan")


def test_a_plan_of_tensorrt_5_is_refused_by_the_oldest_release_that_is_read(tmp_path: Path) -> None:
    (file,) = (REAL / "headers").glob("trt-5.*")
    (tmp_path / "model.plan").write_bytes(file.read_bytes())
    with pytest.raises(UploadRefused, match=r"6\.0 or later"):
        inspect(tmp_path, "model.plan")
