"""Asks one Inference Server over HTTP: is it the one we started, is its model ready, does the model answer?"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType

import httpx

from seatrial.errors import ServerFailed
from seatrial.served_model import ServedModel
from seatrial.serving.inference_http import LENGTH_HEADER, answered_outputs, encode_request, output_flaw, zeros
from seatrial.tensors import Tensors

QUICK_S = 2.0
"""Seconds for a question that costs the server nothing; a server that takes longer is stuck or starved."""


class Probe:
    """A connection to one server. `server_id` tells it from a stranger that took its port."""

    def __init__(self, http_address: str, server_id: str, served: ServedModel) -> None:
        # No proxy: the server is on this machine, whatever the environment says of the way out.
        self._http = httpx.Client(base_url=f"http://{http_address}", trust_env=False, timeout=QUICK_S)
        self._server_id, self._served = server_id, served
        self._model = f"/v2/models/{served.name}/versions/{served.version}"

    def __enter__(self) -> Probe:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._http.close()

    def is_ready(self) -> bool:
        """Whether the server that we started answers and says that its model is ready. No answer is no."""
        try:
            about = self._http.get("/v2")
            if about.status_code != 200 or about.json().get("name") != self._server_id:
                return False
            return self._http.get(f"{self._model}/ready").status_code == 200
        except (httpx.HTTPError, ValueError):
            return False

    def warm_up(self, sample: Tensors | None, timeout_s: float) -> None:
        """Have the model answer `sample`, and see that it answers with the signature's outputs.

        Without a sample zeros are sent, and the model's refusal of those is an answer too: it may be right.
        Raises ServerFailed with what the server said.
        """
        name = f"{self._served.name} {self._served.version}"
        body, headers = encode_request(zeros(self._served.signature) if sample is None else sample)
        try:
            answer = self._infer(body, headers, timeout_s)
        except httpx.HTTPError as error:
            raise ServerFailed(f"{name}: no answer to the warm-up request: {error!r}") from error
        if answer.status_code != 200:
            if sample is None:
                return
            raise ServerFailed(f"{name}: the warm-up request failed: {answer.text[:500]}")
        flaw = self._flaw(answer)
        if flaw:
            raise ServerFailed(f"{name}: the answer to the warm-up request is not the signature's: {flaw}")

    def _infer(self, body: bytes, headers: Mapping[str, str], timeout_s: float) -> httpx.Response:
        return self._http.post(f"{self._model}/infer", content=body, headers=headers, timeout=timeout_s)

    def _flaw(self, answer: httpx.Response) -> str | None:
        try:
            length = int(answer.headers.get(LENGTH_HEADER, len(answer.content)))
            return output_flaw(self._served.signature, answered_outputs(answer.content, length))
        except (ValueError, KeyError) as error:
            return f"it cannot be read: {error!r}"
