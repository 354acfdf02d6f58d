"""Real Airflow, a real manager with ml-metadata and tritonserver, on a home folder of their own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from quickstart.airflow_api import FINISHED, AirflowAPI
from quickstart.processes import Children
from quickstart.services import start_airflow, start_manager
from seatrial.client.manager_api import ManagerAPI
from seatrial.settings import Settings
from seatrial.waiting import Deadline, wait_until


@dataclass(frozen=True)
class Platform:
    """What runs, and the questions that the tests ask of it."""

    home: Path
    manager: ManagerAPI
    manager_url: str
    token: str
    airflow: AirflowAPI

    def run_of(self, upload: Path) -> dict[str, Any]:
        """The finished run of an upload."""
        deadline = Deadline.after(300)
        run = wait_until(lambda: self.airflow.run_of_upload(str(upload)), deadline, f"a run of {upload.name}")
        return self.ended("model_version", run["dag_run_id"])

    def ended(self, dag: str, run_id: str) -> dict[str, Any]:
        def finished() -> dict[str, Any] | None:
            run = self.airflow.run(dag, run_id)
            return run if run["state"] in FINISHED else None

        return wait_until(finished, Deadline.after(300), f"run {run_id} ends")

    def first_failure(self, run: dict[str, Any]) -> tuple[str, str]:
        """The first failed task of a run, and its log as one text."""
        tasks = self.airflow.tasks("model_version", run["dag_run_id"])
        first = min((t for t in tasks if t["state"] == "failed"), key=lambda t: str(t["end_date"]))
        lines = self.airflow.log_lines(
            "model_version", run["dag_run_id"], first["task_id"], attempt=first["try_number"]
        )
        return first["task_id"], "\n".join(lines)


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    home = tmp_path_factory.mktemp("home")
    children = Children()
    try:
        manager, url = start_manager(children, home, settle_s=2.0)
        token = Settings.read({"SEATRIAL_HOME": str(home)}).token or ""
        airflow = start_airflow(children, home, url, token, settle_s=2.0)
        yield Platform(home, manager, url, token, airflow)
        airflow.close()
        manager.close()
    finally:
        children.stop(print)
