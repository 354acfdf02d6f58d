"""A plan against the hardware options: what is known decides, what is not known rules nothing out."""

from __future__ import annotations

from typing import Any

import pytest

from seatrial.formats.tensorrt_fit import CAPABILITIES, capability, fits, in_words
from seatrial.hardware import HardwareOption
from seatrial.uploads.manifest import Engine

PLAN = ("10.3.0.26", "8.6")


def _gpu(name: str = "c", **fields: Any) -> HardwareOption:
    return HardwareOption(name=name, device="gpu", **fields)


@pytest.mark.parametrize(
    ("fields", "loads"),
    [
        ({"gpu": "A10", "tensorrt": "10.3.0"}, True),
        ({"gpu": "A10", "tensorrt": "10.3.0.26"}, True),
        ({"compute_capability": "8.6", "tensorrt": "10.3"}, True),
        ({"gpu": "A10", "tensorrt": "10.3.0.30"}, False),
        ({"gpu": "A10", "tensorrt": "10.9"}, False),
        ({"gpu": "T4", "tensorrt": "10.3.0"}, False),
        ({"gpu": "T4"}, False),
        ({"tensorrt": "8.6"}, False),
        ({"gpu": "A10"}, None),
        ({"gpu": "some board", "tensorrt": "10.3.0"}, None),
        ({"tensorrt": "10.3.0"}, None),
        ({}, None),
    ],
)
def test_a_plan_loads_where_version_and_gpu_are_its_own(fields: dict[str, Any], loads: bool | None) -> None:
    assert [fit.loads for fit in fits(*PLAN, [_gpu(**fields)], Engine())] == [loads]


@pytest.mark.parametrize(
    ("engine", "fields", "loads"),
    [
        ({"hardware_compatible": True}, {"gpu": "L4", "tensorrt": "10.3"}, None),
        ({"hardware_compatible": True}, {"gpu": "T4", "tensorrt": "10.3"}, False),
        ({"hardware_compatible": True}, {"gpu": "L4", "tensorrt": "10.9"}, False),
        ({"version_compatible": True}, {"gpu": "A10", "tensorrt": "10.9"}, None),
        ({"version_compatible": True}, {"gpu": "A10", "tensorrt": "10.1"}, False),
        ({"version_compatible": True}, {"gpu": "A10", "tensorrt": "11.0"}, False),
    ],
)
def test_a_plan_that_is_declared_compatible_is_tried_by_loading(
    engine: dict[str, bool], fields: dict[str, Any], loads: bool | None
) -> None:
    assert fits(*PLAN, [_gpu(**fields)], Engine(**engine))[0].loads is loads


def test_an_unknown_build_gpu_rules_no_gpu_out() -> None:
    assert fits("10.3.0.26", None, [_gpu(gpu="T4", tensorrt="10.3")], Engine())[0].loads is None
    assert fits("10.3.0.26", None, [HardwareOption(name="cpu")], Engine())[0].loads is False


def test_the_line_says_where_it_loads_and_why_not_elsewhere() -> None:
    options = [
        _gpu("a", gpu="A10", tensorrt="10.3.0"),
        _gpu("b", gpu="RTX 3090", tensorrt="10.3.0"),
        _gpu("c", gpu="T4", tensorrt="10.9"),
        _gpu("d", gpu="A10"),
    ]
    assert in_words(*PLAN, fits(*PLAN, options, Engine())) == (
        "loads on a and b; may load on d: d is 8.6 with an unknown version; "
        "not on c: built on 8.6 with TensorRT 10.3.0.26, c is 7.5 with 10.9"
    )


@pytest.mark.parametrize("name", ["T4", "tesla t4", "NVIDIA T4"])
def test_a_gpu_is_known_with_or_without_its_makers_name(name: str) -> None:
    assert capability(_gpu(gpu=name)) == CAPABILITIES["T4"] == "7.5"


def test_what_an_option_says_itself_goes_before_the_table() -> None:
    assert capability(_gpu(gpu="T4", compute_capability="9.9")) == "9.9"
    assert capability(_gpu()) is None
