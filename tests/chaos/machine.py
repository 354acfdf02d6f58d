"""The machine under chaos: a real manager that can be killed, its servers, and all that they may leave behind."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil

from seatrial.client.manager_api import ManagerAPI
from seatrial.errors import SeatrialError
from seatrial.serving.cgroups import leftover, remove_cgroup
from seatrial.serving.processes import identify, of_replicas
from seatrial.serving.tritonserver import shared_memory_prefix
from seatrial.settings import Settings
from seatrial.waiting import Deadline, wait_until
from tests.managers import PROGRAM, environ_of

OPTIONS = "- {name: cpu-1x1, cores: 1, threads: 1, price: 1.0}\n"
ANOTHER_BOOT = "00000000-0000-4000-8000-000000000000"


class Machine:
    """One home folder. `model` names its models: what they leave in shared memory is told from others' by that."""

    def __init__(self, home: Path, model: str) -> None:
        self.home, self.model, self.servers = home, model, (home / "servers").resolve()
        home.mkdir(parents=True, exist_ok=True)
        (home / "options.yaml").write_text(OPTIONS)
        self.environ = environ_of(home, SEATRIAL_OPTIONS=str(home / "options.yaml"), SEATRIAL_STOP_SERVERS="")
        self._manager: subprocess.Popen[bytes] | None = None

    @property
    def settings(self) -> Settings:
        return Settings.read(self.environ)

    def start_manager(self, *, killed_after_s: float | None = None) -> None:
        """Returns when it answers, or when it was killed on the way there."""
        with (self.home / "manager.log").open("ab") as log:
            command = [sys.executable, *PROGRAM, "--port", "8900"]
            self._manager = subprocess.Popen(command, env=self.environ, stdout=log, stderr=log)
        if killed_after_s is None:
            wait_until(self._answers, Deadline.after(60), "the manager answers")
            return
        with suppress(subprocess.TimeoutExpired):
            self._manager.wait(killed_after_s)
        self.kill_manager()

    def kill_manager(self) -> None:
        if self._manager is not None:
            self._manager.kill()
            self._manager.wait()

    def api(self, run: str = "") -> ManagerAPI:
        settings = self.settings
        return ManagerAPI(settings.manager_url, settings.token, timeout_s=20, run=run)

    def processes(self) -> list[psutil.Process]:
        return [process for process, _ in of_replicas(self.servers)]

    def reboot(self) -> psutil.Process:
        """Everything is killed, and what the records say of processes is of another boot. Returns a stranger that has
        now the pid of a server."""
        self.kill_manager()
        for process in self.processes():
            process.kill()
        wait_until(lambda: not self.processes(), Deadline.after(30), "the machine is down")
        stranger = psutil.Popen(["sleep", "600"])
        found = identify(stranger.pid)
        assert found is not None
        for record in self.servers.glob("*/server.json"):
            document = json.loads(record.read_text())
            if document["process"] is not None:
                ticks = found.started.partition("/")[2]
                document["process"] = {"pid": stranger.pid, "started": f"{ANOTHER_BOOT}/{ticks}"}
                record.write_text(json.dumps(document))
        return stranger

    def end(self) -> None:
        """End the manager and every server, and remove what killed ones leave."""
        self.kill_manager()
        for process in self.processes():
            process.kill()
        wait_until(lambda: not self.processes(), Deadline.after(30), "all is ended")
        for cgroup, _ in leftover(self.servers):
            remove_cgroup(cgroup)
        for path in Path("/dev/shm").glob(f"seatrial-{self.model}-*"):
            path.unlink()

    def flaw(self) -> str | None:
        """Why what runs is not what is wanted, no more and no less; None when it is."""
        with self.api() as api:
            deployments = api.deployments()
            stages = api.model(self.model)["stages"].get("local", {})
        for deployment in deployments:
            states = [replica["state"] for replica in deployment["replicas"]]
            if deployment["state"] != "ready" or states != ["ready"] * deployment["spec"]["replicas"]:
                return f"model id {deployment['spec']['model_id']} is {deployment['state']} with {states}"
        deployed = {deployment["spec"]["served"]["version"] for deployment in deployments}
        if not {version for version in stages.values() if version is not None} <= deployed:
            return f"{stages} are staged, {sorted(deployed)} are deployed"
        replicas = {replica["id"] for deployment in deployments for replica in deployment["replicas"]}
        return self._leftover(replicas)

    def _leftover(self, replicas: set[str]) -> str | None:
        running: dict[str, list[str]] = {}
        for process, folder in of_replicas(self.servers):
            running.setdefault(folder.name, []).append(process.name())
        doubled = [name for name, names in running.items() if names.count("tritonserver") != 1]
        memory = {path.name for path in Path("/dev/shm").glob(f"seatrial-{self.model}-*")}
        owned = {name for name in memory if name.startswith(tuple(map(shared_memory_prefix, replicas)))}
        found = {
            "processes of": set(running) - replicas,
            "servers doubled in": set(doubled),
            "no processes of": replicas - set(running),
            "folders": {path.name for path in self.servers.iterdir() if path.is_dir()} ^ replicas,
            "shared memory": memory - owned,
            "cgroups of": {folder.name for _, folder in leftover(self.servers)} - replicas,
        }
        return "; ".join(f"{what} {sorted(names)}" for what, names in found.items() if names) or None

    def settled(self, what: str) -> float:
        """The seconds until all is as it should be. Raises DeadlineExceeded with what is not."""
        last: list[str | None] = [None]

        def look() -> bool:
            try:
                last[0] = self.flaw()
            except SeatrialError as error:
                last[0] = error.message
            return last[0] is None

        deadline = Deadline.after(120)
        try:
            wait_until(look, deadline, what)
        except SeatrialError as error:
            raise AssertionError(f"{what}: {last[0]}; {error.message}") from error
        return 120 - deadline.left_s

    def _answers(self) -> bool:
        assert self._manager is not None
        assert self._manager.poll() is None, (self.home / "manager.log").read_text()[-3000:]
        try:
            with self.api() as api:
                return bool(api.health()["pid"] == self._manager.pid)
        except SeatrialError:
            return False
