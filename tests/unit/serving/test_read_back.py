from __future__ import annotations

import pytest

from seatrial.hardware import HardwareOption
from seatrial.serving.read_back import cores_flaw, runtime_settings, threads_flaw

LOG = [
    'I1126 06:28:06.9 14882 model.py:98] "seatrial runtime onnxruntime version=1.30.0 threads=2 spinning=0"',
    'I1126 06:28:06.9 14882 grpc_server.cc:2558] "Started GRPCInferenceService at 127.0.0.1:21002"',
    'I1126 06:28:07.1 14882 model.py:98] "seatrial runtime onnxruntime, in 0.1 s: version=1.30.0 threads=2 spinning=0"',
]


def option(threads: int, instances: int = 1) -> HardwareOption:
    return HardwareOption.model_validate({"name": "cpu", "threads": threads, "instances": instances})


def test_each_instance_says_how_it_runs() -> None:
    said = {"runtime": "onnxruntime", "version": "1.30.0", "threads": "2", "spinning": "0"}
    assert runtime_settings(LOG) == [said, said]


def test_threads_count_only_when_every_instance_shows_them() -> None:
    shown = runtime_settings(LOG)
    assert threads_flaw(option(2, 2), shown) is None
    assert threads_flaw(option(4), shown) == "was given 4 threads, but onnxruntime says 2"
    assert threads_flaw(option(2, 3), shown) == "1 of 3 instances do not say how many threads they have"


@pytest.mark.parametrize(("held", "flaw"), [("1", None), ("8", "was given 1 threads, but openvino says 8")])
def test_openvino_says_it_in_its_own_word(held: str, flaw: str | None) -> None:
    assert threads_flaw(option(1), [{"runtime": "openvino", "INFERENCE_NUM_THREADS": held}]) == flaw


def test_a_process_on_another_core_is_a_flaw() -> None:
    assert cores_flaw([0], {(0,)}) is None
    assert cores_flaw([0], {(0,), (0, 1)}) == "was given the cores (0,), but runs on [(0,), (0, 1)]"
