"""The runtimes inside the python backend, on a real network of one node: settings held, arrays not copied, text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino
import pytest

from seatrial.serving.runtime.arrays import as_answer, as_text
from seatrial.serving.runtime.sessions import (
    SESSIONS,
    SessionSettings,
    provider_of,
    require_provider,
)
from tests.models import tiny_onnx

X = np.arange(12, dtype=np.float32).reshape(3, 4)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_onnx(tmp_path_factory.mktemp("model") / "model.onnx")


@pytest.mark.parametrize("runtime", SESSIONS)
def test_a_session_answers_and_says_how_many_threads_it_has(runtime: str, model: Path) -> None:
    session = SESSIONS[runtime](model, SessionSettings(threads=2))
    (found,) = session.run({"x": X}, ["y"])
    assert np.array_equal(found, 2 * X)
    held = session.settings
    assert held.get("threads", held.get("INFERENCE_NUM_THREADS")) == "2"


@pytest.mark.parametrize("runtime", SESSIONS)
def test_an_answer_is_not_copied_out_of_the_runtime(runtime: str, model: Path) -> None:
    (found,) = SESSIONS[runtime](model, SessionSettings(threads=1)).run({"x": X}, ["y"])
    assert not found.flags.owndata


def test_openvino_is_held_to_the_precision_that_was_asked_for(model: Path) -> None:
    session = SESSIONS["openvino"](model, SessionSettings(threads=1, precision="fp32"))
    assert "'float32'" in session.settings["INFERENCE_PRECISION_HINT"]
    bf16 = SessionSettings(threads=1, precision="bf16")
    if "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        assert "'bfloat16'" in SESSIONS["openvino"](model, bf16).settings["INFERENCE_PRECISION_HINT"]
    else:
        with pytest.raises(RuntimeError, match="INFERENCE_PRECISION_HINT"):
            SESSIONS["openvino"](model, bf16)


@pytest.mark.parametrize(
    ("runtime", "wanted", "reason"),
    [
        ("onnxruntime", SessionSettings(threads=1, precision="bf16"), "precision"),
        ("openvino", SessionSettings(threads=1, device="gpu"), "device"),
    ],
)
def test_what_a_runtime_cannot_hold_stops_the_load(
    runtime: str, wanted: SessionSettings, reason: str, model: Path
) -> None:
    with pytest.raises(RuntimeError, match=reason):
        SESSIONS[runtime](model, wanted)


def test_a_gpu_that_the_runtime_does_not_have_stops_the_load() -> None:
    with pytest.raises(RuntimeError, match="has no CUDAExecutionProvider for a gpu"):
        provider_of("gpu", ["AzureExecutionProvider", "CPUExecutionProvider"])
    assert provider_of("gpu", ["CUDAExecutionProvider", "CPUExecutionProvider"])[0] == "CUDAExecutionProvider"
    assert provider_of("cpu", ["CUDAExecutionProvider", "CPUExecutionProvider"])[0] == "CPUExecutionProvider"


def test_a_silent_fall_back_to_the_cpu_and_a_lost_option_stop_the_load() -> None:
    provider, given = provider_of("gpu", ["CUDAExecutionProvider"])
    held = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    fine = {"CPUExecutionProvider": {}, "CUDAExecutionProvider": {"device_id": "0", "use_tf32": "0"}}
    require_provider(held, fine, provider, given)
    with pytest.raises(RuntimeError, match="says CPUExecutionProvider"):
        require_provider(["CPUExecutionProvider"], {"CPUExecutionProvider": {}}, provider, given)
    with pytest.raises(RuntimeError, match="use_tf32 was set to 0 but the runtime says 1"):
        require_provider(held, {"CUDAExecutionProvider": {"use_tf32": "1"}}, provider, given)


def test_text_is_str_for_the_runtime_and_objects_for_triton() -> None:
    given = np.array([[b"a", "née".encode()]], dtype=object)
    read = as_text(given)
    assert read.tolist() == [["a", "née"]]
    assert read.shape == (1, 2)
    assert as_answer(np.array(["a", "née"])).dtype == object
    with pytest.raises(UnicodeDecodeError):
        as_text(np.array([b"\xff"], dtype=object))


def test_numbers_are_handed_over_as_they_are() -> None:
    assert as_text(X) is X
    assert np.shares_memory(as_answer(X), X)
    assert as_answer(X.T).flags.c_contiguous
