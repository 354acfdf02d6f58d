"""The Inference Client: a model's name and its layers go in, its outputs come back."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from numpy.typing import ArrayLike

from seatrial.client.balancer import Balancer
from seatrial.client.capture import Capture
from seatrial.client.discovery import Discovery
from seatrial.client.grpc_errors import may_go_elsewhere
from seatrial.client.inputs import as_arrays
from seatrial.client.manager_api import ManagerAPI
from seatrial.client.routes import Route
from seatrial.client.transport import GrpcTransport, Transport, encode
from seatrial.errors import BadInput, NotDeployed, SeatrialError, ServerFailed
from seatrial.settings import Settings
from seatrial.tensors import Array, check_tensors
from seatrial.waiting import Deadline

RETRY_SHARE = 0.2  # retries per request, over time: they must not multiply an outage
RETRY_BURST = 100.0  # a server that dies fails all its calls at once: each of them must find another server


class InferResult(Mapping[str, Array]):
    """Outputs by layer name, with the version, model id and endpoint that answered. The arrays are read-only."""

    def __init__(self, outputs: dict[str, Array], route: Route, endpoint: str) -> None:
        self._outputs = outputs
        self.model, self.version, self.model_id = route.model, route.version, route.model_id
        self.endpoint = endpoint

    def __getitem__(self, layer: str) -> Array:
        return self._outputs[layer]

    def __iter__(self) -> Iterator[str]:
        return iter(self._outputs)

    def __len__(self) -> int:
        return len(self._outputs)

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name}: {array.dtype}{list(array.shape)}" for name, array in self._outputs.items())
        return f"<InferResult {self.model}@{self.version} {shapes}>"


class InferenceClient:
    """Finds servers through the Inference Manager, balances over replicas, and tries another one when a server fails.

    `manager_url` and `token` default to the environment (`seatrial.settings`). `cache_file` keeps the endpoints over a
    restart of this process while the manager is away. Safe for many threads; close it, or use it as a context.
    """

    def __init__(
        self,
        manager_url: str | None = None,
        token: str | None = None,
        *,
        cache_file: Path | None = None,
        timeout_s: float = 10.0,
        transport: Transport | None = None,
    ) -> None:
        settings = Settings.read()
        self._api = ManagerAPI(manager_url or settings.manager_url, token=token or settings.token)
        self._discovery = Discovery(self._api, cache_file)
        self._balancer = Balancer()
        self._transport: Transport = transport or GrpcTransport()
        self._retries = _RetryBudget()
        self._timeout_s = timeout_s
        self.capture = Capture(self._api)

    def infer(
        self,
        model: str | int,
        layers: Mapping[str, ArrayLike] | None = None,
        /,
        *,
        version: int | None = None,
        stage: str = "Production",
        environment: str = "local",
        timeout_s: float | None = None,
        **named: ArrayLike,
    ) -> InferResult:
        """One request: `infer("pitch", audio=x)`, or with the layers as a dict, or by model id.

        `timeout_s` (default: the client's) bounds everything, retries included. Raises BadInput before anything is
        sent; NoSuchModel, NoSuchVersion, NotDeployed; Overloaded, DeadlineExceeded, ServerFailed.
        """
        deadline = Deadline.after(self._timeout_s if timeout_s is None else timeout_s)
        route = self._route(model, version, stage, environment, deadline)
        tensors = as_arrays(route.signature, {**(layers or {}), **named})
        check_tensors(route.signature.inputs, tensors)
        encoded = encode(route.model, route.version, tensors)
        tried: list[str] = []
        while True:
            endpoint = self._balancer.pick(route.endpoints, time.monotonic(), avoid=tried)
            try:
                outputs = self._transport.send(endpoint.address, encoded, max(0.001, deadline.left_s))
            except SeatrialError as error:
                elsewhere = may_go_elsewhere(error)
                self._balancer.done(endpoint, time.monotonic(), reachable=not elsewhere)
                if not elsewhere:
                    raise
                tried.append(endpoint.address)
                if deadline.passed or not self._retries.take():
                    raise ServerFailed(f"{error} (tried {', '.join(tried)})", tried=tried) from error
                route = self._elsewhere(route, model, version, stage, environment, deadline, tried)
                encoded = encode(route.model, route.version, tensors)
            except BaseException:
                self._balancer.done(endpoint, time.monotonic(), reachable=True)
                raise
            else:
                self._balancer.done(endpoint, time.monotonic(), reachable=True)
                self._retries.earn()
                self.capture.offer(route, tensors)
                return InferResult(outputs, route, endpoint.address)

    def describe(self, model: str | int, *, version: int | None = None, stage: str = "Production") -> dict[str, Any]:
        """Layers, version and servers of a model as the manager last told them."""
        route = self._route(model, version, stage, "local", Deadline.after(self._timeout_s))
        return {
            "model": route.model,
            "version": route.version,
            "model_id": route.model_id,
            **route.signature.to_dict(),
            "endpoints": [endpoint.address for endpoint in route.endpoints],
        }

    def close(self) -> None:
        self._discovery.close()
        self.capture.close()
        self._transport.close()
        self._api.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _route(self, model: str | int, version: int | None, stage: str, environment: str, deadline: Deadline) -> Route:
        routes = self._discovery.routes(deadline.left_s)
        return routes.find(model, version=version, stage=stage, environment=environment)

    def _elsewhere(
        self,
        former: Route,
        model: str | int,
        version: int | None,
        stage: str,
        environment: str,
        deadline: Deadline,
        tried: list[str],
    ) -> Route:
        """The route after a failure: what discovery says now, which may be other servers or another version.

        When every server was tried, wait a little for news: a replica may be on its way back.
        """
        pause, halfway = threading.Event(), Deadline.after(deadline.left_s / 2)
        while True:
            try:
                route = self._route(model, version, stage, environment, deadline)
            except NotDeployed:  # the manager saw the server die too, and is about to replace it
                if deadline.left_s < 0.05:
                    raise
                pause.wait(0.05)
                continue
            if route.signature != former.signature:
                raise BadInput(former.model, expected="the layers of the version before", got="a version with others")
            if any(endpoint.address not in tried for endpoint in route.endpoints):
                return route
            if deadline.left_s < 0.05:
                return route
            pause.wait(0.05)
            if halfway.passed:
                tried.clear()


class _RetryBudget:
    """A token bucket: each answered request earns RETRY_SHARE of a retry, up to RETRY_BURST."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left = RETRY_BURST

    def earn(self) -> None:
        with self._lock:
            self._left = min(RETRY_BURST, self._left + RETRY_SHARE)

    def take(self) -> bool:
        with self._lock:
            if self._left < 1:
                return False
            self._left -= 1
            return True
