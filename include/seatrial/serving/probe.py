"""Asks one Inference Server over HTTP: is it the one we started, is its model ready, does the model answer?

Each server is asked every second, and for an answer of its model every few: so without httpx, which takes three times
the CPU time for a question and 20 ms for a client.
"""

from __future__ import annotations

import json
import time
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPMessage
from socket import socket
from types import TracebackType

from seatrial.errors import ServerFailed
from seatrial.serving.inference_http import LENGTH_HEADER, answered_outputs, encode_request, output_flaw, zeros
from seatrial.serving.ports import HOST
from seatrial.serving.record import ServerRecord
from seatrial.serving.triton_metrics import Reading, get, read_over
from seatrial.tensors import Tensors

QUICK_S = 2.0
"""Seconds for a question that costs the server nothing; a server that takes longer is stuck or starved."""


class Probe:
    """Connections to one server. Its id tells it from a stranger that took its port."""

    def __init__(self, record: ServerRecord) -> None:
        self._http = HTTPConnection(HOST, record.ports.http, timeout=QUICK_S)
        self._metrics = HTTPConnection(HOST, record.ports.metrics, timeout=QUICK_S)
        self._server_id, self._served, self._port = record.id, record.served, record.ports.http
        self._ours: socket | None = None  # the connection that is known to lead to our server
        self._model = f"/v2/models/{record.served.name}/versions/{record.served.version}"

    def __enter__(self) -> Probe:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()
        self._metrics.close()

    def is_ready(self) -> bool:
        """Whether the server that we started answers and says that its model is ready. No answer is no."""
        try:
            return self._is_ours() and get(self._http, f"{self._model}/ready")[0] == 200
        except (OSError, HTTPException, ValueError, LookupError, TypeError):  # the last two: a stranger's JSON
            return False

    def reading(self) -> Reading | None:
        """What the server has done and has before it; None when it does not say."""
        return read_over(self._metrics)

    def warm_up(self, sample: Tensors | None, timeout_s: float) -> float:
        """Have the model answer `sample`, and see that it answers with the signature's outputs. The seconds it took.

        Without a sample zeros are sent, and the model's refusal of those is an answer too: it may be right.
        Raises ServerFailed with what the server said.
        """
        name = f"{self._served.name} {self._served.version}"
        body, headers = encode_request(zeros(self._served.signature) if sample is None else sample)
        began = time.monotonic()
        try:
            with closing(HTTPConnection(HOST, self._port, timeout=timeout_s)) as connection:
                connection.request("POST", f"{self._model}/infer", body, headers)
                answer = connection.getresponse()
                content = answer.read()
        except (OSError, HTTPException) as error:
            raise ServerFailed(f"{name}: no answer to the warm-up request: {error!r}") from error
        took_s = time.monotonic() - began
        if answer.status != 200 and sample is None:
            return took_s
        good = answer.status == 200
        flaw = self._flaw(answer.headers, content) if good else content.decode(errors="replace")[:500]
        if flaw:
            raise ServerFailed(f"{name}: the warm-up request failed: {flaw}")
        return took_s

    def _is_ours(self) -> bool:
        """Asked once a connection: at its other end is one server, whoever listens on the port later."""
        if self._http.sock is None or self._http.sock is not self._ours:
            status, about = get(self._http, "/v2")
            if status != 200 or json.loads(about)["name"] != self._server_id:
                return False
            self._ours = self._http.sock
        return True

    def _flaw(self, headers: HTTPMessage, content: bytes) -> str | None:
        try:
            length = int(headers.get(LENGTH_HEADER, len(content)))
            flaw = output_flaw(self._served.signature, answered_outputs(content, length))
        except (ValueError, KeyError) as error:
            return f"its answer cannot be read: {error!r}"
        return flaw and f"its answer is not the signature's: {flaw}"
