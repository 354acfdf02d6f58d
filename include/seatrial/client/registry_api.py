"""What people ask the registry, beyond what clients and steps need: one method a resource."""

from __future__ import annotations

from typing import Any

from seatrial.client.manager_api import Document, ManagerAPI, quoted


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


def _given(query: Document) -> Document:
    return {name: value for name, value in query.items() if value is not None}
