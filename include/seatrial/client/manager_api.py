"""The Inference Manager's HTTP API, as a caller sees it: one method a resource, typed errors, nothing kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from seatrial.client.manager_http import Document, ManagerHTTP

COPY_S = 900.0  # the largest upload, 8 GiB, into an artifact store that takes 10 MB a second


class ManagerAPI(ManagerHTTP):
    """Errors, threads and `run` as of ManagerHTTP."""

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

    def model_bytes(self, model_id: int) -> int | None:
        """Of the files that a server needs; None where the artifact store lacks one."""
        found: int | None = self._json("GET", f"/versions/{model_id}/size")["model_bytes"]
        return found

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

    def keep_capture_aside(self, model: str, capture_id: str) -> None:
        self._send("PUT", f"/models/{quoted(model)}/captures/{quoted(capture_id)}/aside")

    def remove_captures(self, model: str) -> Document:
        return self._json("DELETE", f"/models/{quoted(model)}/captures")

    def _pages(self, path: str, name: str, query: Document) -> Iterator[Document]:
        cursor: Document = {}
        while True:
            answer = self._json("GET", path, params={"limit": 500, **query, **cursor})
            yield from answer[name]
            if not answer.get("cursor"):
                return
            cursor = {"cursor": answer["cursor"]}


def quoted(part: str) -> str:
    """A name as one part of a path: whatever it holds, it reaches no other route."""
    return quote(part, safe="")


def is_document(value: object) -> bool:
    """Whether a JSON value has the form of a discovery document, as far as it is seen without looking at a model."""
    return isinstance(value, dict) and isinstance(value.get("models"), dict)
