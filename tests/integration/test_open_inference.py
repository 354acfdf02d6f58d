"""/v2 of the manager against a real tritonserver: plain HTTP with a model's name, by curl's habits and by Triton's own
HTTP client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
import pytest

pytest.importorskip("ml_metadata", reason="the manager runs in its own environment only")

from tritonclient import http as triton
from tritonclient.utils import InferenceServerException

from seatrial.client.manager_api import ManagerAPI
from seatrial.client.wire import from_raw, to_raw
from seatrial.formats.check import check_upload
from seatrial.manager.guard import BYTES_LIMIT
from seatrial.manager.inference_requests import HEAD_LIMIT, LENGTH
from seatrial.manager.tokens import TokenFile
from seatrial.serving.inference_http import encode_request
from tests.managers import environ_of, managers
from tests.models import lookup_onnx, tiny_sample, write_text_upload, write_upload
from tests.served import serve

X = [[1.0, 2.0, 3.0, 4.0]]
JSON = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": X}]}
ZERO = np.zeros((1, 1), np.int64)


@dataclass
class Called:
    http: httpx.Client
    api: ManagerAPI
    headers: dict[str, str]

    def infer(self, body: Any = JSON, model: str = "tiny", headers: dict[str, str] | None = None) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body)
        return self.http.post(f"/v2/models/{model}/infer", content=content, headers=headers)


@pytest.fixture(scope="module")
def called(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Called]:
    """`tiny`@1 (y = 2x) in Production, `tiny`@2 (y = 3x) in Staging, `tiny`@3 nowhere; `words` and `lookup` in
    Production; called with a token of the role client."""
    home = tmp_path_factory.mktemp("home")
    with managers(environ_of(home)) as (api,):
        uploads = home / "uploads"
        serve(api, write_upload(uploads / "one"))
        serve(api, write_upload(uploads / "two", scale=3.0), "Staging")
        serve(api, write_text_upload(uploads / "text"))
        ids = write_upload(uploads / "ids", name="lookup", model=False, samples={"samples/a.npz": {"ids": ZERO}})
        lookup_onnx(ids / "model.onnx")
        serve(api, ids)
        third = write_upload(uploads / "three", scale=4.0)
        api.register("tiny", upload=str(third), report=check_upload(third).model_dump(mode="json"), run="test")
        headers = {"Authorization": f"Bearer {TokenFile(home).create('service', 'client')[1]}"}
        with httpx.Client(base_url=api.url, headers=headers, timeout=90, trust_env=False) as http:
            yield Called(http, api, headers)


@pytest.fixture
def client(called: Called) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(called.api.url.removeprefix("http://")) as found:
        yield found


def test_a_name_is_enough_and_the_version_in_production_answers_as_curl_asks(called: Called) -> None:
    answer = called.infer(headers={"Content-Type": "application/x-www-form-urlencoded"})  # what curl -d says
    assert answer.status_code == 200, answer.text
    document = answer.json()
    assert (document["model_name"], document["model_version"]) == ("tiny", "1")
    assert document["outputs"] == [{"name": "y", "datatype": "FP32", "shape": [1, 4], "data": [2.0, 4.0, 6.0, 8.0]}]


def test_a_version_can_be_asked_for_by_its_number(called: Called) -> None:
    document = called.infer(model="tiny/versions/2").json()
    assert (document["model_version"], document["outputs"][0]["data"]) == ("2", [3.0, 6.0, 9.0, 12.0])


def test_tensors_travel_as_bytes_both_ways(called: Called) -> None:
    x = np.array([[np.nan, -0.0, np.inf, 1e-45]], np.float32)
    body, headers = encode_request({"x": x})
    answer = called.infer(body, headers=headers)
    head = int(answer.headers[LENGTH])
    y = from_raw("FP32", (1, 4), answer.content[head:])
    assert answer.headers["content-type"] == "application/octet-stream"
    assert json.loads(answer.content[:head])["outputs"][0]["parameters"] == {"binary_data_size": 16}
    assert to_raw(y) == to_raw(x * 2)


def test_text_travels_in_json(called: Called) -> None:
    words = {"name": "words", "datatype": "BYTES", "shape": [1, 2], "data": ["née", "other"]}
    outputs = {o["name"]: o["data"] for o in called.infer({"inputs": [words]}, model="words").json()["outputs"]}
    assert outputs == {"same": ["née", "other"], "number": [7, -1]}


def test_metadata_and_readiness_are_told_by_name_and_by_version(called: Called) -> None:
    def get(path: str) -> Any:
        answer = called.http.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    layer = {"datatype": "FP32", "shape": [-1, 4]}
    about = {
        "name": "tiny",
        "versions": ["1", "2"],
        "platform": "onnx",
        "inputs": [{"name": "x", **layer}],
        "outputs": [{"name": "y", **layer}],
    }
    assert (get("/v2/models/tiny"), get("/v2/models/tiny/versions/2")) == (about, about)
    assert get("/v2")["name"] == "seatrial"
    assert (get("/v2/health/live"), get("/v2/health/ready")) == ({"live": True}, {"ready": True})
    assert get("/v2/models/tiny/ready") == get("/v2/models/tiny/versions/2/ready") == {"ready": True, "name": "tiny"}


@pytest.mark.parametrize("binary", [False, True])
def test_tritons_own_http_client_works(called: Called, client: Any, binary: bool) -> None:
    ask = {"headers": dict(called.headers)}  # it writes into them
    assert client.is_server_live(**ask)
    assert client.is_server_ready(**ask)
    assert client.is_model_ready("tiny", **ask)
    assert not client.is_model_ready("tiny", "3", **ask)
    assert client.get_model_metadata("words", **ask)["inputs"][0]["datatype"] == "BYTES"
    layer = triton.InferInput("x", [3, 4], "FP32")
    layer.set_data_from_numpy(tiny_sample(rows=3)["x"], binary_data=binary)
    found = client.infer("tiny", [layer], outputs=[triton.InferRequestedOutput("y", binary_data=binary)], **ask)
    assert np.array_equal(found.as_numpy("y"), tiny_sample(rows=3)["x"] * 2)


def test_a_client_of_the_protocol_shows_what_the_problem_says(called: Called, client: Any) -> None:
    layer = triton.InferInput("x", [1, 5], "FP32")
    layer.set_data_from_numpy(np.zeros((1, 5), np.float32))
    with pytest.raises(InferenceServerException, match=r"layer 'x': expected FP32\[-1,4\], got FP32\[1,5\]"):
        client.infer("tiny", [layer], headers=dict(called.headers))
    for ask in (lambda: client.infer("tiny", [layer]), client.get_server_metadata):
        with pytest.raises(InferenceServerException, match="no bearer token"):
            ask()


BINARY = {"Content-Type": "application/octet-stream"}
X4 = JSON["inputs"][0]
REFUSED, BAD_INPUT = (422, "refused"), (422, "bad-input")
BAD: dict[str, tuple[Any, str, dict[str, str], tuple[int, str], str]] = {
    "no such model": (JSON, "nobody", {}, (404, "no-such-model"), "nobody"),
    "no such version": (JSON, "tiny/versions/9", {}, (404, "no-such-version"), "9"),
    "not deployed": (JSON, "tiny/versions/3", {}, (404, "not-deployed"), "versions that run: 1, 2"),
    "no such number": (JSON, "tiny/versions/one", {}, REFUSED, "path.number"),
    "wrong layer": (
        {"inputs": [{**X4, "name": "z"}]},
        "tiny",
        {},
        BAD_INPUT,
        "layer 'z': expected one of the layers x",
    ),
    "no layers": ({"inputs": []}, "tiny", {}, BAD_INPUT, "layer 'x': expected FP32[-1,4], got nothing"),
    "wrong dtype": ({"inputs": [{**X4, "datatype": "FP64"}]}, "tiny", {}, BAD_INPUT, "got FP64[1,4]"),
    "wrong shape": ({"inputs": [{**X4, "shape": [1, 5]}]}, "tiny", {}, BAD_INPUT, "expected FP32[-1,4], got FP32[1,5]"),
    "huge shape": ({"inputs": [{**X4, "shape": [2**62, 4]}]}, "tiny", {}, REFUSED, "body.inputs.0.shape.0"),
    "large shape": ({"inputs": [{**X4, "shape": [2**31 - 1, 4]}]}, "tiny", {}, BAD_INPUT, "got 4"),
    "no JSON": (b"{", "tiny", {}, REFUSED, "is no JSON"),
    "deep": (b'{"inputs":' + b"[" * 200_000 + b"]" * 200_000 + b"}", "tiny", {}, REFUSED, "limit: 64"),
    "not finite": (b'{"inputs": [{"data": [NaN]}]}', "tiny", {}, REFUSED, "body.inputs.0.data.0"),
    "half a character": (b'{"\\ud800": 1}', "tiny", {}, REFUSED, "half a character"),
    "head beyond": (b"{}", "tiny", {**BINARY, LENGTH: "3"}, REFUSED, LENGTH),
    "shared memory": (
        {"inputs": [{**X4, "parameters": {"shared_memory_region": "r"}}]},
        "tiny",
        {},
        REFUSED,
        "body.inputs.0.parameters.shared_memory_region",
    ),
    "compressed": (b"\x1f\x8b", "tiny", {"Content-Encoding": "gzip"}, REFUSED, "Content-Encoding"),
    "too large": (b"\0" * (BYTES_LIMIT + 1), "tiny", BINARY, (413, "too-large"), f"limit: {BYTES_LIMIT}"),
    "too much JSON": (b" " * (HEAD_LIMIT + 1), "tiny", {}, (413, "too-large"), f"limit: {HEAD_LIMIT}"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_a_typed_problem_and_the_server_goes_on(called: Called, case: str) -> None:
    body, model, headers, (status, code), said = BAD[case]
    answer = called.infer(body, model, headers)
    problem = answer.json()
    assert (answer.status_code, problem["type"]) == (status, f"urn:seatrial:{code}"), problem
    assert answer.headers["content-type"] == "application/problem+json"
    assert said in problem["detail"]
    assert problem["error"] == problem["detail"]
    assert called.infer().json()["outputs"][0]["data"] == [2.0, 4.0, 6.0, 8.0]


def test_what_the_model_itself_cannot_compute_is_a_failure_of_the_server(called: Called) -> None:
    ids = {"name": "ids", "datatype": "INT64", "shape": [1, 1], "data": [8]}
    answer = called.infer({"inputs": [ids]}, "lookup")
    assert (answer.status_code, answer.json()["type"]) == (502, "urn:seatrial:server-failed")
    assert "indices element out of data bounds" in answer.json()["error"]


def test_an_idempotency_key_does_not_make_an_answer_of_bytes_another(called: Called) -> None:
    body, headers = encode_request(tiny_sample())
    answers = [called.infer(body, headers={**headers, "Idempotency-Key": "k"}) for _ in range(2)]
    assert {(a.content, a.headers[LENGTH]) for a in answers} == {(answers[0].content, answers[0].headers[LENGTH])}


def test_a_promotion_is_followed_at_once(called: Called) -> None:
    for version, factor in ((2, 3.0), (1, 2.0)):
        called.api.move_stage("tiny", version, "Staging", who="a test", run="test", why="there")
        called.api.move_stage("tiny", version, "Production", who="a test", run="test", why="and back")
        assert called.infer().json()["outputs"][0]["data"][0] == factor
