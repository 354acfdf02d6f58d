"""What people ask the registry, beyond what clients and steps need: one method a resource."""

from __future__ import annotations

from typing import Any

from seatrial.client.manager_api import Document, ManagerAPI


class RegistryAPI(ManagerAPI):
    """Errors as of ManagerAPI."""

    def list_models(self, **query: Any) -> Document:
        """One page: `models` and `cursor`. `filter`, `order`, `limit`, `cursor` as the manager documents them."""
        return self._json("GET", "/models", params=_given(query))

    def list_versions(self, **query: Any) -> Document:
        """One page: `versions` and `cursor`."""
        return self._json("GET", "/versions", params=_given(query))


def _given(query: Document) -> Document:
    return {name: value for name, value in query.items() if value is not None}
