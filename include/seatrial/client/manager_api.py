"""The Inference Manager's HTTP API, as a caller sees it: one method a resource, typed errors, nothing kept."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import httpx

from seatrial.errors import ManagerUnavailable, SeatrialError, from_problem

Document = dict[str, Any]


class ManagerAPI:
    """Calls may come from many threads. Every method raises the error that the manager's problem document stands for,
    and ManagerUnavailable when there is no manager to answer."""

    def __init__(self, url: str, token: str | None = None, timeout_s: float = 30.0) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.url = url
        # No proxy: it is meant for the web, and would see the token.
        self._http = httpx.Client(base_url=f"{url}/v1", headers=headers, timeout=timeout_s, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def health(self) -> Document:
        return self._json("GET", "/health")

    # models and their ledger

    def models(self) -> list[Document]:
        return list(self._json("GET", "/models")["models"])

    def model(self, model: str) -> Document:
        return self._json("GET", f"/models/{model}")

    def ledger(self, model: str) -> list[Document]:
        return list(self._json("GET", f"/models/{model}/ledger")["moves"])

    def move_stage(self, model: str, version: int, to: str, *, who: str, run: str, why: str, **expect: Any) -> Document:
        """One ledger entry; `expect_production=` (a version or None) makes it a compare-and-swap."""
        body = {"version": version, "to": to, "who": who, "run": run, "why": why, **expect}
        return self._json("POST", f"/models/{model}/stage-moves", json=body)

    def rollback_target(self, model: str) -> Document:
        return self._json("GET", f"/models/{model}/rollback-target")

    # versions, files, evidence

    def register(self, model: str, *, upload: str, report: Document, run: str) -> Document:
        return self._json("POST", f"/models/{model}/versions", json={"upload": upload, "report": report, "run": run})

    def version(self, model_id: int) -> Document:
        return self._json("GET", f"/versions/{model_id}")

    def model_version(self, model: str, version: int) -> Document:
        return self._json("GET", f"/models/{model}/versions/{version}")

    def file(self, model_id: int, path: str) -> bytes:
        return self._send("GET", f"/versions/{model_id}/files/{path}").content

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
        return self._json("GET", f"/trial-servers/{trial_id}")

    def renew_trial(self, trial_id: str, lease_s: float) -> None:
        self._send("PUT", f"/trial-servers/{trial_id}/lease", json={"lease_s": lease_s})

    def stop_trial(self, trial_id: str) -> None:
        self._send("DELETE", f"/trial-servers/{trial_id}")

    # scaling

    def push_policy(self, model: str, policy: Document, run: str) -> Document:
        return self._json("PUT", f"/models/{model}/scaling-policy", json={"policy": policy, "run": run})

    def policy(self, model: str) -> Document:
        return self._json("GET", f"/models/{model}/scaling-policy")

    # clients

    def discovery(self, etag: str | None, wait_s: float) -> tuple[Document, str] | None:
        """The discovery document and its ETag; None when nothing is new within `wait_s`."""
        headers = {} if etag is None else {"If-None-Match": etag}
        answer = self._send("GET", "/discovery", params={"wait_s": wait_s}, headers=headers, timeout=wait_s + 10)
        return None if answer.status_code == 304 else (answer.json(), answer.headers["ETag"])

    def add_capture(self, model: str, version: int, data: bytes) -> None:
        headers = {"Content-Type": "application/octet-stream", "Seatrial-Version": str(version)}
        self._send("POST", f"/models/{model}/captures", content=data, headers=headers)

    def captures(self, model: str, limit: int) -> list[Document]:
        """Newest first."""
        return list(self._json("GET", f"/models/{model}/captures", params={"limit": limit})["captures"])

    def capture(self, model: str, capture_id: str) -> bytes:
        return self._send("GET", f"/models/{model}/captures/{capture_id}").content

    def _json(self, method: str, path: str, **content: Any) -> Document:
        document: Document = self._send(method, path, **content).json()
        return document

    def _send(self, method: str, path: str, **content: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, path, **content)
        except httpx.HTTPError as error:
            raise ManagerUnavailable(
                f"the Inference Manager at {self.url} does not answer: {error or type(error).__name__}", url=self.url
            ) from error
        if answer.status_code < 400:
            return answer
        try:
            problem = answer.json()
        except ValueError:
            problem = {"detail": f"{method} {path}: status {answer.status_code}: {answer.text[:200]}"}
        raise from_problem(problem) if isinstance(problem, dict) else SeatrialError(str(problem))
