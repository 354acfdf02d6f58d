"""`make run`: python -m quickstart [--once]."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

from quickstart import story
from quickstart.display import Display
from quickstart.processes import Children
from quickstart.services import Services, start_airflow, start_manager
from seatrial import InferenceClient
from seatrial.errors import SeatrialError
from seatrial.settings import Settings
from seatrial.uploads.roots import local_folder

SETTLE_S = 2.0
RUN_LIMIT_S = 600.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="make run", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end when the job is done instead of staying up")
    parser.add_argument("--examples", type=Path, required=True, help="folder with the unpacked basic-pitch package")
    arguments = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    settings = Settings.read()
    home = settings.home
    display, children = Display(), Children()
    outcome: dict[str, Any] = {"ok": False}
    try:
        uploads = local_folder(settings.uploads, "make run")
        services = _start(display, children, home)
        outcome = _job(display, services, home, uploads, arguments.examples)
        _where_to_look(display, services, home)
        if not arguments.once:
            display.say("\n[bold]Ctrl-C stops everything.[/]")
            signal.pause()
    except KeyboardInterrupt:
        display.say("\ninterrupted")
    except (SeatrialError, story.StoryFailed, OSError) as error:
        display.say(f"\n[red]failed:[/] {error}\n  logs: {home / 'logs'}")
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        children.stop(display.say)
    if arguments.once:
        print(json.dumps(outcome))
        return 0 if outcome["ok"] else 1
    return 0


def _start(display: Display, children: Children, home: Path) -> Services:
    display.heading("Starting")
    began = time.monotonic()
    manager, manager_url = start_manager(children, home, settle_s=SETTLE_S)
    display.say(f"  Inference Manager at {manager_url} ({time.monotonic() - began:.1f} s)")
    began = time.monotonic()
    token = Settings.read({"SEATRIAL_HOME": str(home)}).token or ""
    airflow = start_airflow(children, home, manager_url, token, settle_s=SETTLE_S)
    display.say(f"  Airflow at {airflow.url} ({time.monotonic() - began:.1f} s)")
    return Services(manager, airflow, manager_url)


def _job(display: Display, services: Services, home: Path, uploads: Path, examples: Path) -> dict[str, Any]:
    token = Settings.read({"SEATRIAL_HOME": str(home)}).token
    display.heading("1. A network is uploaded as ONNX")
    upload = story.send(uploads, examples, "onnx", "basic-pitch, exported to ONNX")
    first = story.follow(services, display, upload, RUN_LIMIT_S)
    with InferenceClient(services.manager_url, token=token) as client:
        display.heading("2. A service calls it by name")
        story.first_call(client, display)
        display.heading("3. The same network is uploaded as SavedModel, while requests flow")
        upload = story.send(uploads, examples, "savedmodel", "basic-pitch, the original SavedModel")
        second, traffic = story.under_traffic(
            client, display, lambda: story.follow(services, display, upload, RUN_LIMIT_S)
        )
    found = story.verdict(services, display, second)
    ok = found["verdict"] == "PASS" and found["production"] == second.version and traffic["failed"] == 0
    return {
        "ok": ok,
        "onnx": {"version": first.version, **first.seconds},
        "savedmodel": {"version": second.version, **second.seconds},
        "traffic": traffic,
        "shadow_verdict": found["verdict"],
        "production": found["production"],
    }


def _where_to_look(display: Display, services: Services, home: Path) -> None:
    display.heading("4. Where to look")
    airflow = services.airflow
    display.say(f"  Airflow            {airflow.url}  (user {airflow.user}, password {airflow.password})")
    display.say(f"  Inference Manager  {services.manager_url}/docs  (token in {home / 'token'})")
    for command in ("status", "show pitch", "ledger pitch", "rollback pitch --why 'trying it out'"):
        display.say(f"  .venv-manager/bin/seatrial {command}")


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
