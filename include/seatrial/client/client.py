"""The Inference Client: a model's name and its layers go in, its outputs come back."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from seatrial.client import batches
from seatrial.client.driver import Driver
from seatrial.client.inputs import joined
from seatrial.client.news import News
from seatrial.client.observers import Observer
from seatrial.client.parts import Parts
from seatrial.client.routes import Target
from seatrial.client.steps import InferResult
from seatrial.client.transport import GrpcTransport, Transport

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["InferResult", "InferenceClient"]

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
        self._parts = Parts(
            manager_url,
            token,
            cache_file=cache_file,
            timeout_s=timeout_s,
            hedge_after_s=hedge_after_s,
            observer=observer,
        )
        self._calls = self._parts.calls
        self._transport: Transport = transport or GrpcTransport()
        self._driver = Driver(self._transport, self._parts.discovery, self._calls.balancer)
        self._pool = ThreadPoolExecutor(BATCH_THREADS, thread_name_prefix="seatrial-batch")  # starts none yet
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
        given = named if layers is None else joined(layers, named)
        target = Target(model, version, stage, environment)
        return self._driver.drive(self._calls.call(target, given, timeout_s))

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
        given = named if layers is None else joined(layers, named)
        target = Target(model, version, stage, environment)
        batch = self._driver.drive(self._calls.batch(target, given, rows, timeout_s))

        def one(piece: Mapping[str, ArrayLike]) -> InferResult:
            return self._driver.drive(self._calls.piece(batch, piece))

        answers = map(one, batch.pieces) if len(batch.pieces) == 1 else self._pool.map(one, batch.pieces)
        return batches.join(batch.signature, list(answers))

    def describe(
        self, model: str | int, *, version: int | None = None, stage: str = "Production", environment: str = "local"
    ) -> dict[str, Any]:
        """What the manager last told of a model: `model`, `version`, `model_id`, `inputs` and `outputs` with dtypes and
        shapes, `endpoints`; `servers` as this client sees them; `environments` with every version and where it runs."""
        target = Target(model, version, stage, environment)
        return self._parts.describe(self._driver.drive(self._calls.route(target)))

    def close(self) -> None:
        """Calls under way end; captures are sent for a moment. A second call does nothing."""
        self._parts.close()
        self._transport.close()
        self._pool.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _heard(self, news: News) -> None:
        for address in self._parts.gone(news):
            self._transport.forget(address)
