"""Promotions and rollbacks under steady load: `make bench-rollover`.

A real manager, real tritonserver, the basic-pitch network as pitch@1 (ONNX) and pitch@2 (SavedModel), and a real
InferenceClient in another process at half the measured capacity of the weaker of the two, open loop. @2 is promoted and
rolled back by turns: a promotion starts a server, measures that it is warm and moves the ledger; a rollback finds the
servers of @1 kept warm. The last line is one JSON object; `ok` says that no call
failed and that every move was made.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from benchmarks.stopping import end_by_sigterm
from quickstart.example_models import write_upload
from quickstart.processes import Children
from quickstart.services import start_manager
from seatrial.autoscale.derive import derive
from seatrial.client.manager_api import ManagerAPI
from seatrial.steps.check_format import check_format
from seatrial.steps.deploy import deploy_to_staging
from seatrial.steps.measuring import cell_of_run
from seatrial.steps.profile_hardware import hardware_options, profile_hardware
from seatrial.steps.promote import promote
from seatrial.steps.push_autoscaling import push_autoscaling
from seatrial.steps.register import register
from seatrial.steps.rollback import roll_back
from seatrial.steps.run import Run
from seatrial.waiting import Deadline
from tests.storages import upload_in

SHARE = 0.5  # of the measured capacity
OPTION = "cpu-1x1"
LATENCY_MS = 500.0  # the quickstart's 150 would measure what else runs on a machine of two cores
PAUSE_S = 2.0  # between two moves
AFTER_S = 1.0  # calls that were due so long after a move count to it


@dataclass(frozen=True)
class Move:
    """One promotion or rollback: monotonic seconds, and the moment of its ledger entry."""

    kind: str
    began: float
    ledger: float
    ended: float
    to: int


@dataclass(frozen=True)
class Version:
    model_id: int
    policy: dict[str, Any]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=Path, required=True, help="where basic-pitch is (.seatrial/examples)")
    parser.add_argument("--moves", type=int, default=20, help="promotions and rollbacks together")
    parser.add_argument("--before-s", type=float, default=20.0, help="seconds of load before the first move")
    arguments = parser.parse_args()
    children = Children()
    with tempfile.TemporaryDirectory(prefix="seatrial-bench-") as folder:
        home = Path(folder)
        try:
            api, url = start_manager(children, home)
            with api:
                found = _measure(api, url, home, arguments)
        finally:
            children.stop(print)
    print(json.dumps(found))
    return 0 if found["ok"] else 1


def _measure(api: ManagerAPI, url: str, home: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    first = _brought(api, home, arguments.examples, "onnx", production=None)
    second = _brought(api, home, arguments.examples, "savedmodel", production=1)
    capacity = min(version.policy["lambda_max"] for version in (first, second))
    rate = SHARE * capacity
    cores = len(os.sched_getaffinity(0))
    print(f"load: {rate:.1f} requests/s, {SHARE:.0%} of {capacity:g} measured on {OPTION} without anything beside it;")
    print(f"this machine has {cores} cores for servers, clients, manager and each new server's start together")
    output = home / "calls.jsonl"
    with _load(url, (home / "token").read_text().strip(), rate, output):
        began = time.monotonic()
        time.sleep(arguments.before_s)
        moves = [_move(api, second, number) for number in range(arguments.moves)]
        time.sleep(AFTER_S + 1)
    calls = [json.loads(line) for line in output.read_text().splitlines()]
    return _figures(calls, moves, began, rate, capacity, arguments.moves)


def _brought(api: ManagerAPI, home: Path, examples: Path, model_format: str, production: int | None) -> Version:
    """A version checked, in Staging and measured; the first one is promoted then. Answers are not compared here."""
    name = f"bench-{model_format}"
    run = _run(api, name)
    upload = write_upload(home / "uploads" / model_format, examples, model_format, model_format)
    manifest = yaml.safe_load((upload / "model.yaml").read_text())
    (upload / "model.yaml").write_text(yaml.safe_dump({**manifest, "objective": {"latency_ms": LATENCY_MS}}))
    version = register(run, upload_in(upload), check_format(run, upload_in(upload)))
    model_id = version["model_id"]
    deploy_to_staging(run, model_id)
    policy = _policy(_run(api, name), model_id)
    if production is None:
        run = _run(api, name)
        promote(run, model_id, policy, expect_production=None)
        push_autoscaling(run, "pitch", policy)
    return Version(model_id, policy)


def _policy(run: Run, model_id: int) -> dict[str, Any]:
    """From a measurement of its own, as steps 5 and 6 make it; the table for a person is left out."""
    (option,) = hardware_options(run, [OPTION])
    profile_hardware(run, model_id, option)
    cell = cell_of_run(run, model_id, OPTION)
    policy = derive(cell, now_ms=int(time.time() * 1000)).model_dump(mode="json")
    run.api.add_evidence(model_id, "ChooseHardware", "choice", run.id, {"policy": policy})
    return policy


def _move(api: ManagerAPI, second: Version, number: int) -> Move:
    kind = "rollback" if number % 2 else "promotion"
    run, began = _run(api, f"bench-{kind}-{number}"), time.monotonic()
    if kind == "promotion":
        promote(run, second.model_id, second.policy, expect_production=1)
    else:
        roll_back(run, "pitch", "the benchmark goes back")
    ended = time.monotonic()
    entry = api.ledger("pitch")[-1]
    ledger = time.monotonic() - (time.time() - entry["at_ms"] / 1000)
    print(f"{number + 1:3} {kind:9} {ended - began:5.2f} s", flush=True)
    time.sleep(PAUSE_S)
    return Move(kind, began, ledger, ended, entry["version"])


def _run(api: ManagerAPI, name: str) -> Run:
    """One step's: each has its own deadline, as Airflow's tasks have."""
    return Run(api=api, id=name, who="bench", deadline=Deadline.after(180), progress=lambda text: print(f"    {text}"))


@contextmanager
def _load(url: str, token: str, rate: float, output: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "benchmarks.rollover_load", url, token, str(rate), str(output)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    try:
        while not output.exists() or not output.stat().st_size:
            if process.poll() is not None:
                raise SystemExit("the load ended by itself")
            time.sleep(0.1)
        yield
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(60)


def _figures(
    calls: Sequence[dict[str, Any]], moves: Sequence[Move], began: float, rate: float, capacity: float, wanted: int
) -> dict[str, Any]:
    """The figures of a run (pure)."""
    failed = [call for call in calls if "error" in call]
    for call in failed[:5]:
        print(f"failed: {call['error']}")
    ways = {kind: [move for move in moves if move.kind == kind] for kind in ("promotion", "rollback")}

    def within(kind: str) -> Callable[[dict[str, Any]], bool]:
        return lambda call: any(move.began <= call["due"] < move.ended + AFTER_S for move in ways[kind])

    before = [call for call in calls if began <= call["due"] < moves[0].began]
    return {
        "calls": len(calls),
        "failed": len(failed),
        "rate_per_s": round(rate, 2),
        "capacity_per_s": capacity,
        "cores": len(os.sched_getaffinity(0)),
        "moves": len(moves),
        "before": _latency(before),
        "during_promotion": _latency(list(filter(within("promotion"), calls))),
        "during_rollback": _latency(list(filter(within("rollback"), calls))),
        "promotion_s": _spread([move.ended - move.began for move in ways["promotion"]]),
        "rollback_s": _spread([move.ended - move.began for move in ways["rollback"]]),
        "clients_moved_s": _spread([_last_old(calls, move) for move in moves]),
        "ok": not failed and len(moves) == wanted,
    }


def _last_old(calls: Sequence[dict[str, Any]], move: Move) -> float:
    """Seconds after the ledger entry until which calls were still due that the version before answered."""
    old: list[float] = [call["due"] for call in calls if call.get("version") not in (None, move.to)]
    return max([0.0, *(due - move.ledger for due in old if move.ledger <= due < move.ended + PAUSE_S)])


def _latency(calls: Sequence[dict[str, Any]]) -> dict[str, float]:
    seconds = [call["seconds"] for call in calls if "error" not in call]
    p50, p99 = (float(value) * 1000 for value in np.percentile(seconds or [0.0], (50, 99)))
    return {"calls": len(calls), "p50_ms": round(p50, 1), "p99_ms": round(p99, 1)}


def _spread(seconds: Sequence[float]) -> dict[str, float]:
    values = seconds or [0.0]
    return {"p50": round(float(np.median(values)), 2), "max": round(max(values), 2)}


if __name__ == "__main__":
    end_by_sigterm()
    sys.exit(main())
