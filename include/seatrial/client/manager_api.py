"""The Inference Manager's HTTP API, as a caller sees it: one method a resource, typed errors, nothing kept."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from seatrial.errors import ManagerUnavailable, SeatrialError, from_problem

if TYPE_CHECKING:
    import httpx
    from typing_extensions import Self

Document = dict[str, Any]

COPY_S = 900.0  # the largest upload, 8 GiB, into an artifact store that takes 10 MB a second


class ManagerAPI:
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
        """End the connections; a later call makes new ones."""
        with self._lock:
            http, self._http = self._http, None
        if http is not None:
            http.close()

    def health(self) -> Document:
        return self._json("GET", "/health")

    # models and their ledger

    def models(self, **query: Any) -> list[Document]:
        """All of them, or those that `filter=` and `order=` ask for."""
        return list(self._pages("/models", "models", query))

    def model(self, model: str) -> Document:
        return self._json("GET", f"/models/{quoted(model)}")

    def ledger(self, model: str) -> list[Document]:
        return list(self._json("GET", f"/models/{quoted(model)}/ledger")["moves"])

    def move_stage(self, model: str, version: int, to: str, *, who: str, run: str, why: str, **expect: Any) -> Document:
        """One ledger entry; `expect_production=`, `expect_staging=` (a version or None) make it a compare-and-swap."""
        body = {"version": version, "to": to, "who": who, "run": run, "why": why, **expect}
        return self._json("POST", f"/models/{quoted(model)}/stage-moves", json=body)

    def roll_back(self, model: str, *, who: str, run: str, why: str, **expect: Any) -> Document:
        """How far the rollback of this run is; `replaces=` as the first answer said. Ask again until it is done."""
        body = {"who": who, "run": run, "why": why, **expect}
        return self._json("POST", f"/models/{quoted(model)}/rollbacks", json=body)

    # versions, files, evidence

    def register(self, model: str, *, upload: str, report: Document, run: str) -> Document:
        body = {"upload": upload, "report": report, "run": run}
        return self._json("POST", f"/models/{quoted(model)}/versions", json=body, timeout=COPY_S)

    def version(self, model_id: int) -> Document:
        return self._json("GET", f"/versions/{model_id}")

    def model_version(self, model: str, version: int) -> Document:
        return self._json("GET", f"/models/{quoted(model)}/versions/{version}")

    def file(self, model_id: int, path: str) -> bytes:
        return self._send("GET", f"/versions/{model_id}/files/{quote(path)}").content

    def add_evidence(self, model_id: int, kind: str, key: str, run: str, document: Document) -> Document:
        body = {"kind": kind, "key": key, "run": run, "document": document}
        return self._json("POST", f"/versions/{model_id}/evidence", json=body)

    def evidence(self, model_id: int, kind: str | None = None) -> list[Document]:
        """Newest first."""
        query = {} if kind is None else {"kind": kind}
        return list(self._json("GET", f"/versions/{model_id}/evidence", params=query)["evidence"])

    # servers

    def deployments(self) -> list[Document]:
        return list(self._json("GET", "/deployments")["deployments"])

    def want_deployment(self, model_id: int, *, option: Document, replicas: int) -> Document:
        return self._json("PUT", f"/versions/{model_id}/deployment", json={"option": option, "replicas": replicas})

    def deployment(self, model_id: int) -> Document:
        return self._json("GET", f"/versions/{model_id}/deployment")

    def drop_deployment(self, model_id: int) -> None:
        self._send("DELETE", f"/versions/{model_id}/deployment")

    def start_trial(self, **wanted: Any) -> Document:
        return self._json("POST", "/trial-servers", json=wanted)

    def trial(self, trial_id: str) -> Document:
        return self._json("GET", f"/trial-servers/{quoted(trial_id)}")

    def renew_trial(self, trial_id: str, lease_s: float) -> None:
        self._send("PUT", f"/trial-servers/{quoted(trial_id)}/lease", json={"lease_s": lease_s})

    def stop_trial(self, trial_id: str) -> None:
        self._send("DELETE", f"/trial-servers/{quoted(trial_id)}")

    # scaling

    def push_policy(self, model: str, policy: Document, run: str) -> Document:
        return self._json("PUT", f"/models/{quoted(model)}/scaling-policy", json={"policy": policy, "run": run})

    def policy(self, model: str) -> Document:
        return self._json("GET", f"/models/{quoted(model)}/scaling-policy")

    # clients

    def discovery(self, etag: str | None, wait_s: float) -> tuple[Document, str] | None:
        """The discovery document and its ETag; None when nothing is new within `wait_s`."""
        headers = {} if etag is None else {"If-None-Match": etag}
        answer = self._send("GET", "/discovery", params={"wait_s": wait_s}, headers=headers, timeout=wait_s + 10)
        if answer.status_code == 304:
            return None
        document = self._document(answer)
        if not is_document(document) or "ETag" not in answer.headers:
            raise self._stranger(answer)
        return document, answer.headers["ETag"]

    def add_capture(self, model: str, version: int, data: bytes) -> None:
        headers = {"Content-Type": "application/octet-stream", "Seatrial-Version": str(version)}
        self._send("POST", f"/models/{quoted(model)}/captures", content=data, headers=headers)

    def captures(self, model: str, limit: int) -> list[Document]:
        """Newest first."""
        return list(self._json("GET", f"/models/{quoted(model)}/captures", params={"limit": limit})["captures"])

    def capture(self, model: str, capture_id: str) -> bytes:
        return self._send("GET", f"/models/{quoted(model)}/captures/{quoted(capture_id)}").content

    def _pages(self, path: str, name: str, query: Document) -> Iterator[Document]:
        cursor: Document = {}
        while True:
            answer = self._json("GET", path, params={"limit": 500, **query, **cursor})
            yield from answer[name]
            if not answer.get("cursor"):
                return
            cursor = {"cursor": answer["cursor"]}

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

        try:
            answer = self._client().request(method, path, **content)
        except httpx.HTTPError as error:
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


def quoted(part: str) -> str:
    """A name as one part of a path: whatever it holds, it reaches no other route."""
    return quote(part, safe="")


def is_document(value: object) -> bool:
    """Whether a JSON value has the form of a discovery document, as far as it is seen without looking at a model."""
    return isinstance(value, dict) and isinstance(value.get("models"), dict)
