"""The Inference Client: a model's name and its layers go in, its outputs come back."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from numpy.typing import ArrayLike

from seatrial.client import batches
from seatrial.client.balancer import ANSWER_S
from seatrial.client.news import News
from seatrial.client.observers import Observer
from seatrial.client.parts import Parts
from seatrial.client.routes import Target
from seatrial.client.steps import Await, Ended, InferResult, Probe, Send, Start, Step, WaitForNews
from seatrial.client.transport import GrpcTransport, Transport
from seatrial.errors import SeatrialError

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["InferResult", "InferenceClient"]

T = TypeVar("T")

BATCH_THREADS = 16


class InferenceClient:
    """Finds servers through the Inference Manager, balances over replicas, and tries another one when a server fails.

    `manager_url` and `token` default to the environment (`seatrial.settings`). `cache_file` keeps the endpoints over a
    restart of this process: a client that starts with one uses it until the manager answers. `hedge_after_s` asks a
    second replica when the first has not answered by then, in at most one call of twenty. `observer` hears of every
    call (see observers.py). Safe for many threads; clients of one process share one connection to the manager. Close
    it, or use it as a context.
    """

    def __init__(
        self,
        manager_url: str | None = None,
        token: str | None = None,
        *,
        cache_file: Path | None = None,
        timeout_s: float = 10.0,
        hedge_after_s: float | None = None,
        observer: Observer | None = None,
        transport: Transport | None = None,
    ) -> None:
        self._parts = Parts(manager_url, token, cache_file=cache_file, hedge_after_s=hedge_after_s, observer=observer)
        self._transport: Transport = transport or GrpcTransport()
        self._timeout_s = timeout_s
        self._pool: ThreadPoolExecutor | None = None
        self.capture = self._parts.capture
        self._parts.listen(self._heard)

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
        sent; NoSuchModel, NoSuchVersion, NotDeployed; Overloaded, DeadlineExceeded, ServerFailed; ManagerUnavailable
        when no manager was heard within `timeout_s` and there is no cache. Each says what was tried where.
        """
        given = {**layers, **named} if layers else named
        target = Target(model, version, stage, environment)
        return self._drive(self._parts.calls.call(target, given, self._seconds(timeout_s)))

    def infer_batch(
        self,
        model: str | int,
        layers: Mapping[str, ArrayLike] | None = None,
        /,
        *,
        rows: int | None = None,
        version: int | None = None,
        stage: str = "Production",
        environment: str = "local",
        timeout_s: float | None = None,
        **named: ArrayLike,
    ) -> dict[str, Any]:
        """A batch of any length: split along the first dimension into requests of at most `rows` rows (default: one
        for each server), sent side by side, joined in order. One deadline; one version answers all of it; the first
        request that fails fails the batch. Raises as `infer`.
        """
        until = time.monotonic() + self._seconds(timeout_s)
        target = Target(model, version, stage, environment)
        route = self._drive(self._parts.calls.route(target, until - time.monotonic()))
        pieces = batches.split(route.signature, {**(layers or {}), **named}, len(route.endpoints), rows)
        pinned = Target(route.model, route.version, stage, environment)
        if len(pieces) == 1:
            return dict(self._drive(self._parts.calls.call(pinned, pieces[0], until - time.monotonic())))

        def one(piece: Mapping[str, ArrayLike]) -> InferResult:
            return self._drive(self._parts.calls.call(pinned, piece, until - time.monotonic()))

        return batches.join(route.signature, list(self._threads().map(one, pieces)))

    def describe(
        self, model: str | int, *, version: int | None = None, stage: str = "Production", environment: str = "local"
    ) -> dict[str, Any]:
        """What the manager last told of a model: `model`, `version`, `model_id`, `inputs` and `outputs` with dtypes and
        shapes, `endpoints`; `servers` as this client sees them; `environments` with every version and where it runs."""
        target = Target(model, version, stage, environment)
        return self._parts.describe(self._drive(self._parts.calls.route(target, self._timeout_s)))

    def close(self) -> None:
        """Calls under way end; captures are sent for a moment. A second call does nothing."""
        self._parts.close()
        self._transport.close()
        if self._pool is not None:
            self._pool.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _seconds(self, timeout_s: float | None) -> float:
        return self._timeout_s if timeout_s is None else timeout_s

    def _threads(self) -> ThreadPoolExecutor:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(BATCH_THREADS, thread_name_prefix="seatrial-batch")
        return self._pool

    def _heard(self, news: News) -> None:
        for address in self._parts.gone(news):
            self._transport.forget(address)

    def _drive(self, steps: Generator[Step, Any, T]) -> T:
        started: _Started | None = None
        try:
            step = next(steps)
            while True:
                if type(step) is not Send:
                    started = started or _Started(self._transport)
                    step = steps.send(self._do(step, started))
                    continue
                try:
                    outputs = self._transport.send(step.address, step.request, step.timeout_s, step.metadata)
                except SeatrialError as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(outputs)
        except StopIteration as end:
            value: T = end.value
            return value
        finally:
            steps.close()
            if started is not None:
                started.cancel()

    def _do(self, step: Step, started: _Started) -> Ended | None:
        if isinstance(step, Start):
            started.start(step)
        elif isinstance(step, Await):
            return started.next(step.timeout_s)
        elif isinstance(step, Probe):
            told = partial(self._probed, step.address)
            self._transport.probe(step.address, step.model, step.version, ANSWER_S, told)
        elif isinstance(step, WaitForNews):
            self._parts.discovery.wait(step.revision, step.timeout_s)
        return None

    def _probed(self, address: str, ready: bool) -> None:
        self._parts.calls.balancer.ready(address, time.monotonic(), ready)


class _Started:
    """Requests that were started side by side."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._ended: queue.SimpleQueue[Ended] | None = None
        self._cancels: list[Callable[[], object]] = []

    def start(self, step: Start) -> None:
        if self._ended is None:
            self._ended = queue.SimpleQueue()
        cancel = self._transport.start(step.address, step.request, step.timeout_s, step.metadata, self._ended.put)
        self._cancels.append(cancel)

    def next(self, timeout_s: float | None) -> Ended | None:
        assert self._ended is not None
        try:
            return self._ended.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def cancel(self) -> None:
        for cancel in self._cancels:
            cancel()
