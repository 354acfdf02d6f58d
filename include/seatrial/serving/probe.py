"""Asks one Inference Server over HTTP: is it the one we started, is its model ready, does the model answer?"""

from __future__ import annotations

import json
from http.client import HTTPConnection, HTTPException
from types import TracebackType

import httpx

from seatrial.errors import ServerFailed
from seatrial.serving.inference_http import LENGTH_HEADER, answered_outputs, encode_request, output_flaw, zeros
from seatrial.serving.ports import HOST
from seatrial.serving.record import ServerRecord
from seatrial.serving.triton_metrics import Reading, parse
from seatrial.tensors import Tensors

QUICK_S = 2.0
"""Seconds for a question that costs the server nothing; a server that takes longer is stuck or starved."""


class Probe:
    """A connection to one server. Its id tells it from a stranger that took its port."""

    def __init__(self, record: ServerRecord) -> None:
        # No proxy: the server is on this machine, whatever the environment says of the way out.
        address = f"http://{HOST}:{record.ports.http}"
        self._http = httpx.Client(base_url=address, trust_env=False, timeout=QUICK_S)
        self._quick = HTTPConnection(HOST, record.ports.http, timeout=QUICK_S)
        self._server_id, self._served, self._metrics_port = record.id, record.served, record.ports.metrics
        self._model = f"/v2/models/{record.served.name}/versions/{record.served.version}"

    def __enter__(self) -> Probe:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()
        self._quick.close()

    def is_ready(self) -> bool:
        """Whether the server that we started answers and says that its model is ready. No answer is no."""
        try:
            status, about = self._ask("/v2")
            if status != 200 or json.loads(about).get("name") != self._server_id:
                return False
            return self._ask(f"{self._model}/ready")[0] == 200
        except (OSError, HTTPException, ValueError):
            return False

    def reading(self) -> Reading | None:
        """What the server has done and has before it; None when it does not say."""
        try:
            answer = self._http.get(f"http://{HOST}:{self._metrics_port}/metrics")
            return parse(answer.text) if answer.status_code == 200 else None
        except (httpx.HTTPError, ValueError, OverflowError):
            return None

    def _ask(self, path: str) -> tuple[int, bytes]:
        """Status and body. Asked of every server each second, so without httpx: a third of its CPU time."""
        try:
            self._quick.request("GET", path)
            answer = self._quick.getresponse()
            return answer.status, answer.read()
        except (OSError, HTTPException):
            self._quick.close()  # the next question opens it again
            raise

    def warm_up(self, sample: Tensors | None, timeout_s: float) -> float:
        """Have the model answer `sample`, and see that it answers with the signature's outputs. The seconds it took.

        Without a sample zeros are sent, and the model's refusal of those is an answer too: it may be right.
        Raises ServerFailed with what the server said.
        """
        name = f"{self._served.name} {self._served.version}"
        body, headers = encode_request(zeros(self._served.signature) if sample is None else sample)
        try:
            answer = self._http.post(f"{self._model}/infer", content=body, headers=headers, timeout=timeout_s)
        except httpx.HTTPError as error:
            raise ServerFailed(f"{name}: no answer to the warm-up request: {error!r}") from error
        took_s = answer.elapsed.total_seconds()
        if answer.status_code != 200 and sample is None:
            return took_s
        flaw = self._flaw(answer) if answer.status_code == 200 else answer.text[:500]
        if flaw:
            raise ServerFailed(f"{name}: the warm-up request failed: {flaw}")
        return took_s

    def _flaw(self, answer: httpx.Response) -> str | None:
        try:
            length = int(answer.headers.get(LENGTH_HEADER, len(answer.content)))
            flaw = output_flaw(self._served.signature, answered_outputs(answer.content, length))
        except (ValueError, KeyError) as error:
            return f"its answer cannot be read: {error!r}"
        return flaw and f"its answer is not the signature's: {flaw}"
