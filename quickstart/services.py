"""The Inference Manager and Airflow as child processes on loopback; taken ports are moved."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import httpx

from quickstart.airflow_api import AirflowAPI
from quickstart.processes import Children
from seatrial.client.manager_api import ManagerAPI
from seatrial.errors import Forbidden, ServerFailed, TryAgain
from seatrial.settings import Settings
from seatrial.waiting import Deadline, wait_until

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Services:
    """What runs, and how to reach it."""

    manager: ManagerAPI
    airflow: AirflowAPI
    manager_url: str


def start_manager(
    children: Children, home: Path, *, settle_s: float | None = None, options_file: Path | None = None
) -> tuple[ManagerAPI, str]:
    """The manager on this home, answering. It stops its Inference Servers when it ends.

    Airflow, callers and other runs are on the same machine: what they use of a server's cores is noted in what is
    measured, and stops nothing, unless the environment says otherwise.
    """
    env = {"SEATRIAL_OTHER_WORK_CORES": "any"} | os.environ
    env |= {"SEATRIAL_HOME": str(home), "SEATRIAL_STOP_SERVERS": "1", "PYTHONUNBUFFERED": "1"}
    if settle_s is not None:
        env["SEATRIAL_SETTLE_S"] = str(settle_s)
    if options_file is not None:
        env["SEATRIAL_OPTIONS"] = str(options_file)
    log = home / "logs" / "manager.log"
    binary = ROOT / ".venv-manager" / "bin" / "seatrial-manager"
    process = children.start("the Inference Manager", [str(binary)], env=env, log=log, stop=signal.SIGTERM, cwd=ROOT)

    def answering() -> str | None:
        _alive(process, "the Inference Manager", log)
        settings = Settings.read(env)
        try:
            with ManagerAPI(settings.manager_url, token=settings.token) as api:
                found = api.health()["pid"] == process.pid
        except (TryAgain, Forbidden):  # not yet, or another home's manager
            return None
        return settings.manager_url if found else None

    url = wait_until(answering, Deadline.after(60), "the Inference Manager answers")
    return ManagerAPI(url, token=Settings.read(env).token), url


def start_airflow(
    children: Children, home: Path, manager_url: str, token: str, *, settle_s: float, dags: Path = ROOT / "dags"
) -> AirflowAPI:
    """`airflow standalone` on loopback, all four components healthy. Each file in `dags` is named like its DAG."""
    folder = home / "airflow"
    folder.mkdir(parents=True, exist_ok=True)
    user, password = "admin", _password(folder)
    port, *log_ports = _free_ports((8080, 8793, 8794))
    env = airflow_environment(home, manager_url, token, settle_s=settle_s) | {
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(log_ports[0]),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(log_ports[1]),
    }
    log = home / "logs" / "airflow.log"
    command = [str(ROOT / ".venv-airflow" / "bin" / "airflow"), "standalone"]
    process = children.start("Airflow", command, env=env, log=log, stop=signal.SIGINT, cwd=ROOT)
    api = AirflowAPI(f"http://127.0.0.1:{port}", user, password)

    def ready() -> bool:
        _alive(process, "Airflow", log)
        return is_ready(api, dags)

    wait_until(ready, Deadline.after(180), "Airflow is healthy, knows the DAGs and has its pool")
    return api


def is_ready(api: AirflowAPI, dags: Path) -> bool:
    """Whether Airflow is healthy and knows the DAGs; it has the pool for measurements then.

    While its database is busy, as after a restart, it answers with errors of its own: not ready. Raises
    httpx.HTTPStatusError when it refuses.
    """
    try:
        if not api.healthy() or not api.has_dags(file.stem for file in dags.glob("*.py")):
            return False
        api.set_pool("seatrial_profiling", 1, "one measurement at a time on this machine")
    except httpx.HTTPStatusError as error:
        if not error.response.is_server_error:
            raise
        return False
    return True


def airflow_environment(home: Path, manager_url: str, token: str, *, settle_s: float) -> dict[str, str]:
    """What Airflow's processes need to know; nothing outside `home` is written."""
    host, port = manager_url.removeprefix("http://").split(":")
    connection = {"conn_type": "http", "schema": "http", "host": host, "port": int(port), "password": token}
    folder = home / "airflow"
    binaries = ROOT / ".venv-airflow" / "bin"
    return os.environ | {
        "PATH": f"{binaries}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "SEATRIAL_HOME": str(home),
        "SEATRIAL_SETTLE_S": str(settle_s),
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW_CONN_SEATRIAL_MANAGER": json.dumps(connection),
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(folder / "passwords.json"),
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "30",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "30",
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.1",
        "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK": "False",
        "AIRFLOW__TRIGGERER__CAPACITY": "100",
    }


def _alive(process: subprocess.Popen[bytes], name: str, log: Path) -> None:
    if process.poll() is not None:
        tail = "\n  ".join(log.read_text(errors="replace").splitlines()[-15:])
        raise ServerFailed(f"{name} ended with status {process.returncode}; the end of {log}:\n  {tail}")


def _password(folder: Path) -> str:
    """The admin password of this home's Airflow, made once."""
    path = folder / "passwords.json"
    if not path.exists():
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump({"admin": secrets.token_urlsafe(9)}, file)
    return str(json.loads(path.read_text())["admin"])


def _free_ports(wanted: Iterable[int]) -> list[int]:
    """For each wanted port itself, or the next free one above it."""
    return [next(port for port in range(first, first + 500, 3) if _is_free(port)) for first in wanted]


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
