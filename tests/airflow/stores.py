"""Airflow's state store of an asset, as tasks and as triggers have it."""

from __future__ import annotations

from typing import Any


class Store(dict[str, Any]):
    """A task's; `get` is the dict's own."""

    def set(self, key: str, value: Any) -> None:
        self[key] = value

    def delete(self, key: str) -> None:
        del self[key]


class AsyncStore(dict[str, Any]):
    """A trigger's."""

    async def aget(self, key: str, default: Any) -> Any:
        return self.get(key, default)

    async def aset(self, key: str, value: Any) -> None:
        self[key] = value
