"""What people ask the registry, beyond what clients and steps need: one method a resource."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from seatrial.client.manager_api import ManagerAPI, quoted
from seatrial.client.manager_http import Document
from seatrial.errors import ManagerUnavailable, from_problem

LONG_S = 3600.0  # a registry of a million documents is exported or imported within


class RegistryAPI(ManagerAPI):
    """Errors as of ManagerAPI."""

    def list_models(self, **query: Any) -> Document:
        """One page: `models` and `cursor`. `filter`, `order`, `limit`, `cursor` as the manager documents them."""
        return self._json("GET", "/models", params=_given(query))

    def list_versions(self, **query: Any) -> Document:
        """One page: `versions` and `cursor`."""
        return self._json("GET", "/versions", params=_given(query))

    def dossier(self, model_id: int) -> Document:
        return self._json("GET", f"/versions/{model_id}/dossier")

    def comparison(self, model_id: int, to: int) -> Document:
        return self._json("GET", f"/versions/{model_id}/comparison", params={"to": to})

    def production_at(self, model: str, at: str, environment: str) -> Document:
        """`at` is RFC 3339 or milliseconds since 1970."""
        query = {"at": at, "environment": environment}
        return self._json("GET", f"/models/{quoted(model)}/production", params=query)

    def delete(self, model: str, version: int, *, who: str, why: str, force: bool) -> Document:
        """The ledger entry that ended the version."""
        query = {"who": who, "why": why, "force": force}
        return self._json("DELETE", f"/models/{quoted(model)}/versions/{version}", params=query)

    def replica_log(self, replica_id: str, lines: int) -> Document:
        """`lines` holds the last ones that the replica's log has now, oldest first."""
        return self._json("GET", f"/replicas/{quoted(replica_id)}/log", params={"lines": lines})

    def collect_garbage(self, *, dry_run: bool) -> Document:
        query = {"dry_run": dry_run}
        return self._json("POST", "/artifacts/garbage-collections", params=query, timeout=LONG_S)

    def export(self) -> Iterator[bytes]:
        """The whole registry in pieces of bytes; `archive.read` tells whether they are all of it."""
        import httpx

        try:
            with self._client().stream("GET", "/export", timeout=LONG_S) as answer:
                if answer.is_success:
                    yield from answer.iter_bytes()
                    return
                answer.read()
        except httpx.HTTPError as error:
            raise ManagerUnavailable(f"the Inference Manager at {self.url} stopped sending: {error}") from error
        raise from_problem(self._document(answer))

    def import_(self, lines: Iterator[bytes]) -> Document:
        """How many of each were written into the manager's empty registry."""
        return self._json("POST", "/import", content=lines, timeout=LONG_S)


def _given(query: Document) -> Document:
    return {name: value for name, value in query.items() if value is not None}
