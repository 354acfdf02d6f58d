"""What is done while the manager is killed: versions are staged, promoted and rolled back, as a run's steps do it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from seatrial.errors import SeatrialError, TryAgain
from seatrial.steps.check_format import check_format
from seatrial.steps.deploy import deploy_to_staging
from seatrial.steps.promote import promote
from seatrial.steps.register import register
from seatrial.steps.rollback import roll_back
from seatrial.steps.run import Run
from seatrial.waiting import Deadline, wait_until
from tests.chaos.machine import Machine
from tests.models import write_upload
from tests.storages import upload_in

SCALES = {1: 2.0, 2: 3.0, 3: 5.0}
REPLICAS = 2


@dataclass
class Story:
    """Versions 1, 2 and 3 of one model; version 1 is Production to begin with."""

    machine: Machine
    say: Callable[[str], None]
    versions: dict[int, dict[str, Any]] = field(default_factory=dict)
    _runs: int = 0

    def begin(self) -> None:
        for number, scale in SCALES.items():
            upload = write_upload(self.machine.home / "uploads" / str(number), scale=scale, name=self.machine.model)
            with self.machine.api() as api:
                run = self._run(api, f"upload-{number}")
                self.versions[number] = register(run, upload_in(upload), check_format(run, upload_in(upload)))
        self.stage(1)()
        self.promote(1)()

    def production(self) -> int | None:
        with self.machine.api() as api:
            found: int | None = api.model(self.machine.model)["stages"].get("local", {}).get("production")
            return found

    def stage(self, number: int) -> Callable[[], None]:
        return self._insisting(f"stage @{number}", lambda run: deploy_to_staging(run, self._id(number)))

    def promote(self, number: int) -> Callable[[], None]:
        expected = self.production()

        def act(run: Run) -> None:
            policy = self._policy(number, run)
            promote(run, self._id(number), policy, expect_production=expected)
            run.api.push_policy(self.machine.model, policy, run.id)

        return self._insisting(f"promote @{number}", act)

    def roll_back(self) -> Callable[[], None]:
        def act(run: Run) -> None:
            if not any(move["run"] == run.id for move in run.api.ledger(self.machine.model)):
                roll_back(run, self.machine.model, "chaos")

        return self._insisting("roll back", act)

    def _insisting(self, what: str, act: Callable[[Run], object]) -> Callable[[], None]:
        """`act` as one run, tried again while a manager is away: as Airflow's retries would."""
        self._runs += 1
        name = f"{what} ({self._runs})"

        said: list[str] = []

        def attempt() -> bool:
            try:
                with self.machine.api(name) as api:
                    act(self._run(api, name))
            except TryAgain as error:
                if error.message not in said:
                    said.append(error.message)
                    self.say(f"    {what}: {error.message.splitlines()[0][:150]}")
                return False
            return True

        def brought() -> None:
            wait_until(attempt, Deadline.after(180), what)

        return brought

    def _run(self, api: Any, name: str) -> Run:
        return Run(api=api, id=name, who="chaos", deadline=Deadline.after(60), progress=lambda line: None)

    def _id(self, number: int) -> int:
        return int(self.versions[number]["model_id"])

    def _policy(self, number: int, run: Run) -> dict[str, Any]:
        """As if a capacity had been measured: that is not what is tried here."""
        return {
            "model": self.machine.model,
            "version": number,
            "model_id": self._id(number),
            "environment": "local",
            "option": run.api.health()["options"][0],
            "cell": "chaos",
            "lambda_max": 1000.0,
            "mu": 1200.0,
            "ratio": 0.8,
            "ratio_factors": {},
            "target_per_replica": 800.0,
            "min_replicas": REPLICAS,
            "max_replicas": REPLICAS,
            "scale_down_window_s": 300.0,
            "derived_at_ms": 0,
            "explanation": "chaos",
        }


def killed_during(machine: Machine, act: Callable[[], None], after_s: float, random: Random) -> bool:
    """Kill the manager `after_s` into `act`, sometimes the next one while it starts, and start another one. Whether
    `act` was still under way."""
    failure: list[SeatrialError] = []

    def run() -> None:
        try:
            act()
        except SeatrialError as error:
            failure.append(error)

    acting = threading.Thread(target=run, daemon=True)  # who is ended by a signal does not wait for it
    acting.start()
    acting.join(after_s)
    under_way = acting.is_alive()
    machine.kill_manager()
    if random.random() < 0.3:
        machine.start_manager(killed_after_s=random.uniform(0.0, 4.0))
    machine.start_manager()
    acting.join()
    if failure:
        raise failure[0]
    return under_way


def timed(act: Callable[[], None]) -> float:
    started = time.monotonic()
    act()
    return time.monotonic() - started
