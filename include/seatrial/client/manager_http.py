"""The connection to the Inference Manager: JSON documents there and back, and its problems as typed errors."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from seatrial.errors import ManagerUnavailable, SeatrialError, from_problem

if TYPE_CHECKING:
    import httpx
    from typing_extensions import Self

Document = dict[str, Any]


class ManagerHTTP:
    """Calls may come from many threads. Every method raises the error that the manager's problem document stands for,
    and ManagerUnavailable when there is no manager to answer. `run` is named in the manager's audit lines."""

    def __init__(self, url: str, token: str | None = None, timeout_s: float = 30.0, run: str = "") -> None:
        self.url = url
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        if run:
            self._headers["Seatrial-Run"] = quote(run, safe=":+@=/ ")
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._http: httpx.Client | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the connections; a later call makes new ones, and one that another thread is in is ManagerUnavailable."""
        with self._lock:
            http, self._http = self._http, None
        if http is not None:
            http.close()

    def _json(self, method: str, path: str, **content: Any) -> Document:
        return self._document(self._send(method, path, **content))

    def _document(self, answer: httpx.Response) -> Document:
        try:
            document = answer.json()
        except ValueError as error:
            raise self._stranger(answer) from error
        if not isinstance(document, dict):
            raise self._stranger(answer)
        return document

    def _send(self, method: str, path: str, **content: Any) -> httpx.Response:
        import httpx

        http = self._client()
        try:
            answer = http.request(method, path, **content)
        except Exception as error:  # of a client that is closed by another thread httpx raises RuntimeError and others
            if not isinstance(error, httpx.HTTPError) and not http.is_closed:
                raise
            raise ManagerUnavailable(
                f"the Inference Manager at {self.url} does not answer: {str(error) or type(error).__name__}",
                url=self.url,
            ) from error
        if answer.is_success or answer.status_code == 304:
            return answer
        if "application/problem+json" in answer.headers.get("content-type", ""):
            raise from_problem(self._document(answer))
        raise self._stranger(answer)

    def _stranger(self, answer: httpx.Response) -> SeatrialError:
        """Only the manager writes its documents and problems: anything else comes from something before it."""
        text = f"{self.url} answered {answer.status_code} {answer.text[:120]!r}, which is not the Inference Manager's"
        kind = ManagerUnavailable if answer.is_success or answer.is_server_error else SeatrialError
        return kind(text, url=self.url)

    def _client(self) -> httpx.Client:
        import httpx  # 0.2 s: paid at the first call, not by whoever only imports this module

        with self._lock:
            if self._http is None:
                # No proxy: it is meant for the web, and would see the token.
                self._http = httpx.Client(
                    base_url=f"{self.url}/v1", headers=self._headers, timeout=self._timeout_s, trust_env=False
                )
            return self._http
