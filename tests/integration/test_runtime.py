"""The python runtime in a real tritonserver: batches of concurrent requests, their answers, their faults."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from seatrial.client.transport import GrpcTransport
from seatrial.errors import Refused, SeatrialError
from seatrial.formats.check import check_upload
from seatrial.formats.reference import reference_answers
from seatrial.hardware import HardwareOption
from seatrial.nvml import Gpu, Gpus
from seatrial.served_model import ServedModel
from seatrial.serving.inference_http import LENGTH_HEADER, answered_outputs
from seatrial.serving.local import LocalBackend
from seatrial.serving.spec import Replica
from seatrial.serving.tritonserver import TritonInstallation
from seatrial.serving.warmup import pack
from seatrial.tensors import Array, Signature, Tensors, TensorSpec
from seatrial.waiting import Deadline, wait_until
from tests.models import counting_onnx, lookup_onnx, text_onnx, twice_onnx, write_upload

LONG_US = 3_000_000
"""A batch that is full is run at once; one that is not would be waited for this long, and no test does."""

LOOKUP = Signature((TensorSpec("ids", "INT64", (-1, -1)),), (TensorSpec("y", "FP32", (-1, -1, 2)),))
COUNTING = Signature((TensorSpec("x", "INT64", (-1, 1)),), (TensorSpec("y", "INT64", (-1, 1)),))
TEXT = Signature(
    (TensorSpec("words", "BYTES", (-1, 2)),),
    (TensorSpec("same", "BYTES", (-1, 2)), TensorSpec("number", "INT64", (-1, 2))),
)


@dataclass(frozen=True)
class Running:
    """A replica of one model that was started by a test, and how to ask it."""

    replica: Replica
    served: ServedModel
    transport: GrpcTransport

    def infer(self, tensors: Tensors) -> dict[str, Array]:
        assert self.replica.grpc_address is not None
        return self.transport.infer(self.replica.grpc_address, self.served.name, 1, tensors, 30.0)

    def infer_all(self, requests: Sequence[Tensors]) -> list[dict[str, Array] | SeatrialError]:
        """The answers to requests that are sent side by side."""

        def ask(tensors: Tensors) -> dict[str, Array] | SeatrialError:
            try:
                return self.infer(tensors)
            except SeatrialError as error:
                return error

        with ThreadPoolExecutor(max_workers=len(requests)) as pool:
            return list(pool.map(ask, requests))

    def http(self, method: str, path: str, **content: Any) -> httpx.Response:
        url = f"http://{self.replica.http_address}/v2/models/{self.served.name}/{path}".rstrip("/")
        return httpx.request(method, url, trust_env=False, **content)

    def batches(self) -> dict[int, int]:
        """How often Triton ran batches of each size."""
        (stats,) = self.http("GET", "stats").json()["model_stats"]
        return {entry["batch_size"]: entry["compute_infer"]["count"] for entry in stats["batch_stats"]}


Start = Callable[..., Any]


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBackend]:
    home = tmp_path_factory.mktemp("home")
    found = LocalBackend(home / "servers", TritonInstallation.find(None, home / "triton"))
    found.adopt()
    yield found
    found.close(stop_servers=True)


@pytest.fixture
def start(backend: LocalBackend, tmp_path: Path) -> Iterator[Start]:
    """Starts a replica of a model, with its own hardware option and samples, and gives it when it is `state`."""

    @contextmanager
    def begin(
        write: Callable[[Path], Path],
        signature: Signature,
        *,
        state: str = "ready",
        samples: Sequence[Tensors] = (),
        **option: Any,
    ) -> Iterator[Running]:
        file = write(tmp_path / "model.onnx")
        served = _served(file, signature)
        chosen = HardwareOption.model_validate({"name": "an-option", **option})
        warmup = pack(samples, signature.inputs) if samples else None
        replica_id = backend.start_replica(served, chosen, "a test", _copying(file), lease_s=120, warmup=warmup)
        try:
            yield Running(_reached(backend, replica_id, state), served, transport)
        finally:
            backend.stop(replica_id)

    with GrpcTransport() as transport:
        yield begin


def _served(file: Path, signature: Signature) -> ServedModel:
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return ServedModel(
        name="m", version=1, format="onnx", main_file="model.onnx", files={"model.onnx": digest}, signature=signature
    )


def _copying(file: Path) -> Callable[[Mapping[str, str], Path], None]:
    def copy(files: Mapping[str, str], folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, folder / "model.onnx")

    return copy


def _reached(backend: LocalBackend, replica_id: str, state: str) -> Replica:
    def settled() -> Replica | None:
        replica = backend.observe(replica_id)
        return replica if replica.state in ("ready", "failed") else None

    replica = wait_until(settled, Deadline.after(60), "the server is up or not")
    assert replica.state == state, (replica.error, replica.log_tail)
    return replica


def ids(rows: int, width: int, seed: int = 0) -> dict[str, Array]:
    return {"ids": np.random.default_rng(seed).integers(0, 8, (rows, width))}


def looked_up(request: Tensors) -> Array:
    table = np.arange(16, dtype=np.float32).reshape(8, 2)
    found: Array = table[request["ids"]]
    return found


@pytest.mark.parametrize("rows", [(1, 1, 1, 1, 1, 1, 1, 1), (1, 2, 3, 2), (5, 3), (8,)])
def test_requests_that_arrive_together_are_one_batch_with_the_answers_they_have_alone(
    start: Start, rows: tuple[int, ...]
) -> None:
    with start(lookup_onnx, LOOKUP, max_batch=8, max_queue_delay_us=LONG_US) as running:
        before = running.batches()
        requests = [ids(count, 3, seed) for seed, count in enumerate(rows)]
        answers = running.infer_all(requests)
        for request, answer in zip(requests, answers, strict=True):
            assert isinstance(answer, dict), answer
            assert np.array_equal(answer["y"], looked_up(request))
        after = running.batches()
        assert after.get(8, 0) - before.get(8, 0) == 1, "all rows were one execution"


def test_the_runtime_is_called_once_for_a_batch(start: Start) -> None:
    with start(counting_onnx, COUNTING, max_batch=4, max_queue_delay_us=LONG_US) as running:
        answers = running.infer_all([{"x": np.zeros((rows, 1), np.int64)} for rows in (1, 2, 1)])
        told = [answer["y"].ravel().tolist() if isinstance(answer, dict) else answer for answer in answers]
        assert told == [[4], [4, 4], [4]]


def test_one_bad_request_of_a_batch_is_refused_and_the_others_are_answered(start: Start) -> None:
    with start(lookup_onnx, LOOKUP, max_batch=4, max_queue_delay_us=LONG_US) as running:
        requests = [ids(1, 2, seed) for seed in range(3)]
        bad = {"ids": np.array([[0, 99]])}
        *good, refused = running.infer_all([*requests, bad])
        assert isinstance(refused, SeatrialError)
        assert "99" in str(refused), "it says what was wrong"
        for request, answer in zip(requests, good, strict=True):
            assert isinstance(answer, dict), answer
            assert np.array_equal(answer["y"], looked_up(request))


def test_without_batching_a_request_may_have_any_number_of_rows(start: Start) -> None:
    with start(lookup_onnx, LOOKUP) as running:
        for rows in (1, 50):
            request = ids(rows, 2)
            assert np.array_equal(running.infer(request)["y"], looked_up(request))


def test_with_batching_a_request_of_more_rows_than_a_batch_is_refused(start: Start) -> None:
    with start(lookup_onnx, LOOKUP, max_batch=4) as running, pytest.raises(Refused, match="batch-size must be <= 4"):
        running.infer(ids(5, 2))


def test_only_the_outputs_that_were_asked_for_are_answered(start: Start) -> None:
    with start(text_onnx, TEXT, max_batch=2) as running:
        asked = {
            "inputs": [{"name": "words", "datatype": "BYTES", "shape": [1, 2], "data": ["née", "x"]}],
            "outputs": [{"name": "number", "parameters": {"binary_data": False}}],
        }
        (output,) = running.http("POST", "infer", json=asked).json()["outputs"]
        assert (output["name"], output["data"]) == ("number", [7, -1])


def test_text_goes_in_and_out_and_text_that_is_none_is_its_own_requests_error(start: Start) -> None:
    with start(text_onnx, TEXT, max_batch=3, max_queue_delay_us=LONG_US) as running:
        words = [[["née", "a"]], [["", "née"]]]
        requests = [{"words": np.array(word, dtype=object)} for word in words]
        *answers, refused = running.infer_all([*requests, {"words": np.array([[b"\xff", b"a"]], dtype=object)}])
        assert isinstance(refused, SeatrialError)
        assert "utf-8" in str(refused)
        for word, answer in zip(words, answers, strict=True):
            assert isinstance(answer, dict), answer
            assert [[item.decode() for item in row] for row in answer["same"]] == word
            assert answer["number"].tolist() == [[7 if item == "née" else -1 for item in row] for row in word]


@pytest.mark.parametrize("max_batch", [1, 4])
def test_every_sample_has_been_run_before_the_server_is_ready(start: Start, max_batch: int) -> None:
    samples = [ids(1, 2), ids(3, 5)]
    with start(lookup_onnx, LOOKUP, samples=samples, max_batch=max_batch) as running:
        assert set(running.batches()) >= ({1} if max_batch == 1 else {1, 2, 4})
    bad = {"ids": np.array([[0, 99, 1]])}
    with start(lookup_onnx, LOOKUP, samples=[*samples, bad], max_batch=max_batch, state="failed") as failed:
        assert "idx=99" in (failed.replica.error or ""), "the server's end is told by the model's own words"


def test_a_models_scalar_is_a_layer_of_one_element(backend: LocalBackend, tmp_path: Path) -> None:
    file = twice_onnx(tmp_path / "model.onnx", "INT64", [])
    write_upload(tmp_path, model=False, samples={"samples/a.npz": {"x": np.array([21]), "expected.y": np.array([42])}})
    report = check_upload(tmp_path)
    assert [str(spec) for spec in report.served.signature.inputs] == ["INT64[1]"]
    assert report.served.scalars == ("x", "y")
    (reference,) = reference_answers(tmp_path, report.served, [{"x": np.array([21])}])
    option = HardwareOption.model_validate({"name": "an-option"})
    replica_id = backend.start_replica(report.served, option, "a test", _copying(file), lease_s=120)
    try:
        with GrpcTransport() as transport:
            address = _reached(backend, replica_id, "ready").grpc_address
            assert address is not None
            answer = transport.infer(address, "tiny", 1, {"x": np.array([21])}, 30.0)
    finally:
        backend.stop(replica_id)
    assert (answer["y"].tolist(), reference["y"].tolist()) == ([42], [42])


def test_text_samples_warm_a_server_up(start: Start) -> None:
    sample = {"words": np.array([["née", "a"]])}
    with start(text_onnx, TEXT, samples=[sample], max_batch=2) as running:
        assert running.batches()


def test_a_gpu_option_never_falls_back_to_the_cpu(
    start: Start, backend: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a machine whose ONNX Runtime came without CUDA."""
    gpu = Gpu(0, "GPU-11111111-2222-3333-4444-555555555555", "T4", 15_000, "7.5", "default")
    monkeypatch.setattr(backend, "_gpus", Gpus((gpu,)))
    with start(lookup_onnx, LOOKUP, state="failed", device="gpu", gpu="T4") as failed:
        assert "has no CUDAExecutionProvider for a gpu" in (failed.replica.error or "")


def test_answers_over_http_carry_the_signatures_shapes(start: Start) -> None:
    """With batching Triton knows the batch axis apart from the others; callers must not see a difference."""
    for max_batch in (1, 4):
        with start(lookup_onnx, LOOKUP, max_batch=max_batch) as running:
            (metadata,) = running.http("GET", "").json()["inputs"]
            assert metadata["shape"] == [-1, -1]
            asked = {"inputs": [{"name": "ids", "datatype": "INT64", "shape": [1, 2], "data": [1, 2]}]}
            answer = running.http("POST", "infer", json=asked)
            length = int(answer.headers.get(LENGTH_HEADER, len(answer.content)))
            assert answered_outputs(answer.content, length) == (TensorSpec("y", "FP32", (1, 2, 2)),)
