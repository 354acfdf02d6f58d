"""Steady open-loop load by a real InferenceClient, in a process of its own, until its standard input is closed.

Poisson arrivals: each call has its moment, however slow the answers, and its latency counts from that moment. One line
of JSON a call in the output file: `due` (monotonic seconds, which all processes share), `seconds`, `version`, `error`.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TextIO

from quickstart.example_models import MELODY, tone
from seatrial import InferenceClient
from seatrial.tensors import Array

CALLERS = 64  # at most so many calls at once: at 10 a second, those of six seconds


def main(url: str, token: str, rate: float, output: Path) -> None:
    closed = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), closed.set()), daemon=True).start()
    windows, chance, lock = [tone(midi) for midi in MELODY], random.Random(1), threading.Lock()
    with (
        InferenceClient(url, token=token) as client,
        ThreadPoolExecutor(CALLERS) as callers,
        output.open("w", buffering=1) as file,
    ):
        client.infer("pitch", audio=windows[0])  # the first discovery is not part of the load
        due = time.monotonic()
        while not closed.wait(max(0.0, due - time.monotonic())):
            callers.submit(_call, client, chance.choice(windows), due, file, lock)
            due += chance.expovariate(rate)


def _call(client: InferenceClient, window: Array, due: float, file: TextIO, lock: threading.Lock) -> None:
    found: dict[str, Any] = {"due": due}
    try:
        found["version"] = client.infer("pitch", audio=window).version
    except Exception as error:  # whatever it is, the service's call failed
        found["error"] = f"{type(error).__name__}: {error}"
    found["seconds"] = time.monotonic() - due
    with lock:
        file.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]), Path(sys.argv[4]))
