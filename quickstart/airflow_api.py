"""What the quickstart and the tests ask of Airflow's REST API (v2)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import httpx

FINISHED = ("success", "failed")


class AirflowAPI:
    """A logged-in session; the token is fetched on first use and again when it has expired."""

    def __init__(self, url: str, user: str, password: str) -> None:
        self.url, self.user, self.password = url, user, password
        self._http = httpx.Client(base_url=url, timeout=20)
        self._token: str | None = None

    def close(self) -> None:
        self._http.close()

    def healthy(self) -> bool:
        try:
            parts = self._http.get("/api/v2/monitor/health").raise_for_status().json()
        except (httpx.HTTPError, ValueError):
            return False
        needed = ("metadatabase", "scheduler", "triggerer", "dag_processor")
        return all((parts.get(name) or {}).get("status") == "healthy" for name in needed)

    def has_dags(self, names: Iterable[str]) -> bool:
        return set(names) <= {dag["dag_id"] for dag in self.get("/dags")["dags"]}

    def set_pool(self, name: str, slots: int, description: str) -> None:
        """One of that name which is there already stays as it is."""
        body = {"name": name, "slots": slots, "description": description, "include_deferred": False}
        answer = self._send("POST", "/pools", json=body)
        if answer.status_code != httpx.codes.CONFLICT:
            answer.raise_for_status()

    def trigger(self, dag: str, conf: dict[str, Any], run_id: str | None = None) -> str:
        body = {"logical_date": None, "conf": conf, **({"dag_run_id": run_id} if run_id else {})}
        return str(self._send("POST", f"/dags/{dag}/dagRuns", json=body).raise_for_status().json()["dag_run_id"])

    def run_of_upload(self, upload: str) -> dict[str, Any] | None:
        """The `model_version` run whose conf names this upload folder, once there is one."""
        runs = self.get("/dags/model_version/dagRuns", order_by="-id", limit=50)["dag_runs"]
        return next((run for run in runs if (run.get("conf") or {}).get("upload") == upload), None)

    def run(self, dag: str, run_id: str) -> dict[str, Any]:
        return self.get(f"/dags/{dag}/dagRuns/{run_id}")

    def tasks(self, dag: str, run_id: str) -> list[dict[str, Any]]:
        return list(self.get(f"/dags/{dag}/dagRuns/{run_id}/taskInstances", limit=100)["task_instances"])

    def result(self, dag: str, run_id: str, task: str) -> Any:
        """What a task returned."""
        path = f"/dags/{dag}/dagRuns/{run_id}/taskInstances/{task}/xcomEntries/return_value"
        return self.get(path, deserialize=True)["value"]

    def log_lines(self, dag: str, run_id: str, task: str, *, attempt: int = 1, map_index: int = -1) -> list[str]:
        path = f"/dags/{dag}/dagRuns/{run_id}/taskInstances/{task}/logs/{attempt}"
        content = self.get(path, map_index=map_index, full_content=True)["content"]
        return [str(entry["event"]) if isinstance(entry, dict) else str(entry) for entry in content]

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        document: dict[str, Any] = self._send("GET", path, params=query).raise_for_status().json()
        return document

    def _send(self, method: str, path: str, **content: Any) -> httpx.Response:
        for attempt in (1, 2):
            if self._token is None:
                body = {"username": self.user, "password": self.password}
                self._token = self._http.post("/auth/token", json=body).raise_for_status().json()["access_token"]
            answer = self._http.request(
                method, f"/api/v2{path}", headers={"Authorization": f"Bearer {self._token}"}, **content
            )
            if answer.status_code != 401 or attempt == 2:
                return answer
            self._token = None
        raise AssertionError("unreachable")


def seconds_of(stamp: str) -> float:
    """An ISO time of Airflow as seconds since the epoch."""
    return datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()
