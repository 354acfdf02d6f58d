"""Both Inference Clients as one, and a discovery that a test writes itself."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.client_discovery import DiscoveryServer, Told
from seatrial import AsyncInferenceClient, InferenceClient
from tests.http_servers import running

SIGNATURE = {
    "inputs": [{"name": "x", "dtype": "FP32", "shape": [-1, 4]}],
    "outputs": [{"name": "y", "dtype": "FP32", "shape": [-1, 4]}],
}


class BlockingAsyncClient:
    """AsyncInferenceClient behind InferenceClient's methods: each call is run in a loop of its own thread."""

    def __init__(self, make: Callable[[], AsyncInferenceClient]) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

        async def made() -> AsyncInferenceClient:
            return make()

        self._client = self._run(made())
        self.capture = self._client.capture

    def infer(self, *args: Any, **named: Any) -> Any:
        return self._run(self._client.infer(*args, **named))

    def infer_batch(self, *args: Any, **named: Any) -> Any:
        return self._run(self._client.infer_batch(*args, **named))

    def describe(self, *args: Any, **named: Any) -> Any:
        return self._run(self._client.describe(*args, **named))

    def close(self) -> None:
        self._run(self._client.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, call: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(call, self._loop).result()


AnyClient = InferenceClient | BlockingAsyncClient


def served(
    *addresses: str, model_id: int = 7, signature: dict[str, Any] | None = None, weight: float = 1.0
) -> dict[str, Any]:
    """One version's part of a discovery document."""
    endpoints = [{"address": address, "weight": weight} for address in addresses]
    return {"model_id": model_id, "signature": signature or SIGNATURE, "endpoints": endpoints}


def document(
    versions: dict[int, dict[str, Any]],
    *,
    production: int | None = 1,
    staging: int | None = None,
    capture: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """A discovery document of the model `tiny` in `local`."""
    where = {
        "production": production,
        "staging": staging,
        "versions": {str(number): version for number, version in versions.items()},
    }
    rule = capture or {"share": 0, "per_minute": 0}
    return {"models": {"tiny": {"capture": rule, "environments": {"local": where}}}}


class Telling:
    """What `discovery` yields: its address, and `tell`."""

    def __init__(self, told: Told, url: str) -> None:
        self._told, self.url = told, url
        self.polls = lambda: told.polls

    def tell(self, news: dict[str, Any]) -> None:
        self._told.take(json.dumps(news))


@contextmanager
def discovery(*first: dict[str, Any], port: int = 0) -> Iterator[Telling]:
    """A real HTTP server that speaks discovery's protocol; without a document it says nothing."""
    told = Told()
    with running(DiscoveryServer(told, port)) as url:
        telling = Telling(told, url)
        for news in first:
            telling.tell(news)
        try:
            yield telling
        finally:
            told.close()
