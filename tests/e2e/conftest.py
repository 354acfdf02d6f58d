"""Real Airflow, a real manager with ml-metadata and tritonserver, on a home folder of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from quickstart.airflow_api import FINISHED, AirflowAPI
from quickstart.processes import Children
from quickstart.services import start_airflow, start_manager
from seatrial.client.manager_api import ManagerAPI
from seatrial.settings import Settings
from seatrial.waiting import Deadline, wait_until

SETTLE_S = 2.0
OPTIONS = """\
- {name: cpu-1x1, cores: 1, threads: 1, price: 1.0}
- {name: t4-half, device: gpu, gpu: T4, mps_share: 0.5, price: 4.0}
"""


@dataclass(frozen=True)
class Platform:
    """What runs, and the questions that the tests ask of it."""

    home: Path
    manager: ManagerAPI
    manager_url: str
    token: str
    airflow: AirflowAPI
    children: Children

    @contextmanager
    def manager_away(self) -> Iterator[None]:
        """The manager is stopped inside, and runs again after."""
        process = psutil.Process(self.manager.health()["pid"])
        process.terminate()
        process.wait(60)
        try:
            yield
        finally:
            _, url = _start_manager(self.children, self.home)
        assert url == self.manager_url

    @contextmanager
    def options(self, text: str) -> Iterator[None]:
        """The manager has these options inside, and the usual ones after."""
        try:
            with self.manager_away():
                options_file(self.home).write_text(text)
            yield
        finally:
            with self.manager_away():
                options_file(self.home).write_text(OPTIONS)

    def run_of(self, upload: Path, longest_s: float = 300) -> dict[str, Any]:
        """The finished run of an upload."""
        deadline = Deadline.after(300)
        run = wait_until(lambda: self.airflow.run_of_upload(str(upload)), deadline, f"a run of {upload.name}")
        return self.ended("model_version", run["dag_run_id"], longest_s)

    def run_after(self, former: dict[str, Any]) -> dict[str, Any]:
        """The run that is started for the same upload after its `former` one; maybe not finished."""
        upload = former["conf"]["upload"]

        def another() -> dict[str, Any] | None:
            run = self.airflow.run_of_upload(upload)
            return run if run and run["dag_run_id"] != former["dag_run_id"] else None

        return wait_until(another, Deadline.after(60), f"another run of {upload}")

    def ended(self, dag: str, run_id: str, longest_s: float = 300) -> dict[str, Any]:
        def finished() -> dict[str, Any] | None:
            run = self.airflow.run(dag, run_id)
            return run if run["state"] in FINISHED else None

        return wait_until(finished, Deadline.after(longest_s), f"run {run_id} ends")

    def first_failure(self, run: dict[str, Any]) -> tuple[str, str]:
        """The first failed task of a run, and its log as one text."""
        tasks = self.airflow.tasks("model_version", run["dag_run_id"])
        first = min((t for t in tasks if t["state"] == "failed"), key=lambda t: str(t["end_date"]))
        return first["task_id"], self.log_of(run, first)

    def log_of(self, run: dict[str, Any], task: dict[str, Any]) -> str:
        """The log of a task's last try."""
        which = {"attempt": max(1, task["try_number"]), "map_index": task["map_index"]}
        return "\n".join(self.airflow.log_lines(run["dag_id"], run["dag_run_id"], task["task_id"], **which))


def _start_manager(children: Children, home: Path) -> tuple[ManagerAPI, str]:
    return start_manager(children, home, settle_s=SETTLE_S, options_file=options_file(home))


def options_file(home: Path) -> Path:
    return home / "options.yaml"


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """One option that this machine has, and one that it has not."""
    with running(tmp_path_factory.mktemp("home"), OPTIONS) as found:
        yield found


@contextmanager
def running(home: Path, options: str) -> Iterator[Platform]:
    """The manager, with these hardware options, and Airflow. Nothing of them is left after it."""
    options_file(home).write_text(options)
    children = Children()
    try:
        manager, url = _start_manager(children, home)
        token = Settings.read({"SEATRIAL_HOME": str(home)}).token or ""
        airflow = start_airflow(children, home, url, token, settle_s=SETTLE_S)
        yield Platform(home, manager, url, token, airflow, children)
        airflow.close()
        manager.close()
    finally:
        children.stop(print)
