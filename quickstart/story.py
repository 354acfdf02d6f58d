"""The four things that `make run` shows, told by functions that take what they need and return what they found."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quickstart.airflow_api import FINISHED
from quickstart.display import Display
from quickstart.example_models import MELODY, heard, tone, write_upload
from quickstart.services import Services
from quickstart.timing import summary
from quickstart.traffic import Traffic
from seatrial import InferenceClient
from seatrial.errors import SeatrialError
from seatrial.uploads.send import send as seatrial_send
from seatrial.waiting import Deadline, wait_until


class StoryFailed(Exception):
    """A run did not end as it should; the message says which task and why."""


@dataclass(frozen=True)
class Journey:
    """One upload's way to Production: its version, and the seconds."""

    version: int
    model_id: int
    seconds: dict[str, Any]


def send(root: Path, package: Path, model_format: str, description: str) -> Path:
    """Put the network, in this format, into the watched folder `root`."""
    with tempfile.TemporaryDirectory() as folder:
        upload = write_upload(Path(folder) / "pitch", package, model_format, description)
        return seatrial_send(upload, root, f"pitch-{model_format}-{time.strftime('%Y%m%d-%H%M%S')}")


def follow(services: Services, display: Display, upload: Path, limit_s: float) -> Journey:
    """Watch the run of an upload until it ends; StoryFailed when it is not a success."""
    uploaded, deadline = time.time(), Deadline.after(limit_s)
    airflow = services.airflow
    run = wait_until(lambda: airflow.run_of_upload(str(upload)), deadline, f"a run for {upload.name}")
    run_id = run["dag_run_id"]
    display.say(f"  run {run_id}, {time.time() - uploaded:.1f} s after the upload")
    with display.steps() as view:

        def ended() -> dict[str, Any] | None:
            now = airflow.run("model_version", run_id)
            view.update(airflow.tasks("model_version", run_id))
            return now if now["state"] in FINISHED else None

        run = wait_until(ended, deadline, f"run {run_id} ends")
    tasks = airflow.tasks("model_version", run_id)
    if run["state"] != "success":
        raise StoryFailed(_first_failure(services, run_id, tasks))
    version = airflow.result("model_version", run_id, "register_version")
    promoted = _promotion(services, version["model"], version["version"], uploaded)
    return Journey(version["version"], version["model_id"], summary(tasks, uploaded, promoted))


def first_call(client: InferenceClient, display: Display) -> None:
    """One call by name, with what came back."""
    answer = client.infer("pitch", audio=tone(MELODY[5]))
    shapes = ", ".join(f"{name} {list(array.shape)}" for name, array in answer.items())
    display.say(f"  client.infer('pitch', audio=…) → {shapes}")
    display.say(f"  answered by pitch@{answer.version}; an A4 was played, it heard {heard(answer['note'])}")


def under_traffic(
    client: InferenceClient, display: Display, work: Callable[[], Journey]
) -> tuple[Journey, dict[str, Any]]:
    """Do the work while a service keeps calling; what the service saw comes back too."""
    traffic = Traffic(client)
    traffic.start()
    try:
        journey = work()
        target = sum(traffic.answered.values()) + 4
        wait_until(lambda: sum(traffic.answered.values()) >= target, Deadline.after(30), "four more answers")
    finally:
        traffic.stop()
    answered = dict(sorted(traffic.answered.items()))
    by_version = ", ".join(f"{count} by pitch@{version}" for version, count in answered.items())
    display.say(f"  meanwhile a service called: {by_version}; {len(traffic.failed)} failed")
    for reason in traffic.failed[:3]:
        display.say(f"    [red]{reason}[/]")
    return journey, {"answered": answered, "failed": len(traffic.failed)}


def verdict(services: Services, display: Display, journey: Journey) -> dict[str, Any]:
    """The shadow verdict with its numbers, and what became of the stages."""
    report: dict[str, Any] = services.manager.evidence(journey.model_id, "ShadowValidate")[0]["document"]
    display.say(f"  shadow verdict [bold]{report['verdict']}[/]: {report['sentence']}")
    for part in report["parts"]:
        display.say(f"    {part['name']:<10} {part['verdict']:<10} {part['sentence']}")
    model = services.manager.model("pitch")
    for version in model["versions"]:
        display.say(f"  pitch@{version['version']} ({version['served']['format']}): {version['stages'].get('local')}")
    policy = services.manager.policy("pitch")
    display.say(f"  autoscaling: {policy['explanation']}")
    return {"verdict": report["verdict"], "production": model["stages"]["local"]["production"]}


def _promotion(services: Services, model: str, version: int, since: float) -> float:
    """When the version became Production, as the ledger says; seconds since the epoch."""
    for move in reversed(services.manager.ledger(model)):
        if move["version"] == version and move["to_stage"] == "Production" and move["at_ms"] / 1000 >= since:
            return float(move["at_ms"]) / 1000
    raise StoryFailed(f"the run ended well, but the ledger has no move of {model}@{version} to Production")


def _first_failure(services: Services, run_id: str, tasks: list[dict[str, Any]]) -> str:
    failed = sorted((t for t in tasks if t["state"] == "failed"), key=lambda t: str(t["end_date"]))
    if not failed:
        return f"run {run_id} failed without a failed task"
    first = failed[0]
    try:
        lines = services.airflow.log_lines(
            "model_version", run_id, first["task_id"], attempt=first["try_number"], map_index=first["map_index"]
        )
    except (SeatrialError, OSError) as error:
        lines = [str(error)]
    said = [line for line in lines if "Exception" in line or "Error" in line or ":" in line][-5:]
    return f"{first['task_id']} of run {run_id} failed:\n  " + "\n  ".join(said)
