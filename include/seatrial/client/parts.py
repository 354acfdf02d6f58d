"""What both clients are made of, and what neither sends nor waits for."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from seatrial.client import discovery
from seatrial.client.balancer import EndpointState
from seatrial.client.calls import Calls
from seatrial.client.capture import Capture
from seatrial.client.manager_api import ManagerAPI
from seatrial.client.news import News
from seatrial.client.observers import Observer
from seatrial.client.routes import Route
from seatrial.client.steps import CallEvent
from seatrial.settings import Settings

log = logging.getLogger("seatrial.client")


class Parts:
    """Discovery (shared by the process), the calls' common state, and captures. `close` may be called twice."""

    def __init__(
        self,
        manager_url: str | None,
        token: str | None,
        *,
        cache_file: Path | None,
        timeout_s: float,
        hedge_after_s: float | None,
        observer: Observer | None,
    ) -> None:
        settings = Settings.read()
        url, token = manager_url or settings.manager_url, token or settings.token
        self._api = ManagerAPI(url, token=token)
        self.discovery = discovery.shared(url, token, cache_file)
        self.capture = Capture(self._api)
        self._observer = observer
        self._listener: Callable[[News], None] | None = None
        self._closed = False
        self.calls = Calls(
            self.discovery.following,
            timeout_s=timeout_s,
            hedge_after_s=hedge_after_s,
            captured=self.capture.offer,
            watching=partial(log.isEnabledFor, logging.DEBUG) if observer is None else lambda: True,
            told=self._told,
            metadata=None if observer is None else observer.metadata,
        )

    def listen(self, listener: Callable[[News], None]) -> None:
        """Call it with all news until `close`."""
        self._listener = listener
        self.discovery.listen(listener)

    def gone(self, news: News) -> list[str]:
        """The servers that this client used and that the news name no more; their connections may go."""
        return [] if news.routes is None else self.calls.balancer.keep(news.routes.addresses())

    def describe(self, route: Route) -> dict[str, Any]:
        """See InferenceClient.describe."""
        routes = self.discovery.news.routes
        return {
            "model": route.model,
            "version": route.version,
            "model_id": route.model_id,
            **route.signature.to_dict(),
            "endpoints": [endpoint.address for endpoint in route.endpoints],
            "servers": {state.address: _server(state) for state in self.calls.balancer.states(route.endpoints)},
            "environments": routes.environments(route.model) if routes is not None else {},
        }

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._listener is not None:
            self.discovery.unlisten(self._listener)
        discovery.release(self.discovery)
        self.capture.close()
        self._api.close()

    def _told(self, event: CallEvent) -> None:
        log.debug("%s", event)
        if self._observer is not None:
            try:
                self._observer.on_call(event)
            except Exception:  # a call that was answered does not fail because it could not be counted
                log.exception("the observer %r failed", self._observer)


def _server(state: EndpointState) -> Mapping[str, Any]:
    latency_ms = None if state.latency_s is None else round(state.latency_s * 1000, 3)
    return {"weight": state.weight, "outstanding": state.outstanding, "out": state.out, "latency_ms": latency_ms}
