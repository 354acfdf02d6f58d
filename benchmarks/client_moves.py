"""How soon a stage move reaches clients: real ones in processes of their own, and a real manager.

Two versions of a model of four lines take turns in Production. Seconds count from the moment at which the move is asked
of the manager: until discovery of each process has heard it, and until each client has an answer of the new version.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from benchmarks.client_follower import CLIENTS, MODEL
from seatrial.client.manager_api import ManagerAPI
from seatrial.settings import Settings
from seatrial.waiting import Deadline, wait_until
from tests.managers import environ_of, managers
from tests.models import write_upload
from tests.served import OPTION, serve

PROCESSES, MOVES = 20, 10
SETTLE_S = 2.0  # between deploying and moving, so that only the move is news
PORT = 8880

AIM_S = 1.0


def measure() -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="seatrial-bench-") as folder:
        home = Path(folder)
        with managers(environ_of(home), port=PORT) as (api,):
            model_ids = {n: serve(api, write_upload(home / "uploads" / str(n), scale=float(n))) for n in (1, 2)}
            with followers(api.url, Settings.read(environ_of(home)).token or "") as said:
                _hear(said, 2)
                moves = [_move(api, said, 1 + number % 2, model_ids) for number in range(MOVES)]
    return figures(moves)


def figures(moves: Sequence[dict[str, list[float]]]) -> dict[str, Any]:
    """Of all clients in all moves; seconds (pure)."""
    spread = {what: [seconds for move in moves for seconds in move[what]] for what in ("heard_s", "answered_s")}
    return {
        "moves": len(moves),
        "clients": PROCESSES * CLIENTS,
        **{
            what: {"p50": round(float(np.median(found)), 3), "max": round(max(found), 3)}
            for what, found in spread.items()
        },
    }


def good(found: dict[str, Any]) -> bool:
    return bool(found["heard_s"]["max"] <= AIM_S and found["answered_s"]["max"] <= AIM_S)


@contextmanager
def followers(url: str, token: str) -> Iterator[TextIO]:
    """Processes with clients, and what they say: all write to one pipe, a line at a time."""
    reading, writing = os.pipe()
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "benchmarks.client_follower", url, token]
    with ExitStack() as stack:
        said = stack.enter_context(os.fdopen(reading))
        for _ in range(PROCESSES):
            process = subprocess.Popen(command, env=environ, stdin=subprocess.PIPE, stdout=writing)
            stack.enter_context(process)
            stack.callback(process.kill)
        os.close(writing)
        yield said


def _hear(said: TextIO, version: int) -> list[dict[str, Any]]:
    """What each process says of this version, once all have answers of it."""
    found: list[dict[str, Any]] = []
    while len(found) < PROCESSES:
        told = json.loads(said.readline())
        if told["version"] == version:
            found.append(told)
    return found


def _move(api: ManagerAPI, said: TextIO, version: int, model_ids: dict[int, int]) -> dict[str, list[float]]:
    model_id = model_ids[version]
    api.want_deployment(model_id, option=OPTION, replicas=1)
    wait_until(lambda: api.deployment(model_id)["state"] == "ready", Deadline.after(120), "its server is ready")
    api.move_stage(MODEL, version, "Staging", who="bench", run="", why="")
    time.sleep(SETTLE_S)
    at = time.monotonic()
    api.move_stage(MODEL, version, "Production", who="bench", run="", why="")
    told = _hear(said, version)
    move = {
        "heard_s": [one["heard"] - at for one in told],
        "answered_s": [moment - at for one in told for moment in one["answered"]],
    }
    print(f"    {MODEL}@{version} → Production: heard by all after {max(move['heard_s']):.3f} s", flush=True)
    return move
