"""Inference Servers without a network: the client's transports, for one process and any Python function as the model.

    servers = {"a:1": FakeServer(double), "b:1": FakeServer(double)}
    InferenceClient(url, transport=FakeTransport(servers))
    AsyncInferenceClient(url, transport=AsyncFakeTransport(servers))

A server answers requests as inference_server.py does: functions may raise `Status`, `models` limits what is served,
and after `stop()` it is not to be reached. It passes the contract of tests/contract/test_client.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from seatrial.client import messages
from seatrial.client.grpc_errors import translate
from seatrial.client.steps import EncodedRequest, Ended, Metadata
from seatrial.errors import SeatrialError
from seatrial.tensors import Array
from tests.standins.inference_server import Function, Status, double


@dataclass
class FakeServer:
    function: Function = double
    models: Mapping[str, Iterable[int]] | None = None
    answered: int = 0
    metadata: Metadata | None = None
    stopped: bool = False

    def stop(self) -> None:
        self.stopped = True

    def serves(self, model: str, version: int) -> bool:
        return not self.stopped and (self.models is None or version in self.models.get(model, ()))


class FakeTransport:
    """`Transport`, in the caller's thread."""

    def __init__(self, servers: Mapping[str, FakeServer]) -> None:
        self._servers = servers

    def send(
        self, address: str, encoded: EncodedRequest, timeout_s: float, metadata: Metadata | None = None
    ) -> dict[str, Array]:
        server = self._servers[address]
        if server.stopped:
            raise translate("UNAVAILABLE", "connection refused", address)
        if not server.serves(encoded.model, encoded.version):
            raise translate("NOT_FOUND", f"Request for unknown model: '{encoded.model}'", address)
        began = time.monotonic()
        try:
            outputs = dict(server.function(messages.read_request(encoded.payload)[1]))
        except Status as status:
            raise translate(status.code.name, status.details, address) from status
        except Exception as error:
            raise translate("INTERNAL", f"{type(error).__name__}: {error}", address) from error
        if time.monotonic() - began > timeout_s:
            raise translate("DEADLINE_EXCEEDED", "Deadline Exceeded", address)
        server.answered, server.metadata = server.answered + 1, metadata
        return outputs

    def start(
        self,
        address: str,
        encoded: EncodedRequest,
        timeout_s: float,
        metadata: Metadata | None,
        ended: Callable[[Ended], None],
    ) -> Callable[[], object]:
        try:
            ended(Ended(address, self.send(address, encoded, timeout_s, metadata), None))
        except SeatrialError as error:
            ended(Ended(address, None, error))
        return lambda: None

    def probe(self, address: str, model: str, version: int, timeout_s: float, told: Callable[[bool], None]) -> None:
        told(self._servers[address].serves(model, version))

    def forget(self, address: str) -> None:
        pass

    def close(self) -> None:
        pass


class AsyncFakeTransport:
    """`AsyncTransport`, in the caller's loop."""

    def __init__(self, servers: Mapping[str, FakeServer]) -> None:
        self._fake = FakeTransport(servers)
        self.probe, self.forget = self._fake.probe, self._fake.forget

    async def infer(
        self, address: str, encoded: EncodedRequest, timeout_s: float, metadata: Metadata | None = None
    ) -> dict[str, Array]:
        return self._fake.send(address, encoded, timeout_s, metadata)

    async def close(self) -> None:
        pass
