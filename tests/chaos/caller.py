"""A service that calls all the time: every answer is checked, every failure is kept with its moment."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from seatrial.client.client import InferenceClient
from seatrial.errors import SeatrialError


@dataclass
class Calls:
    """`answered` by version. A failure inside an outage, announced with its reason, is explained."""

    answered: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    failed: list[tuple[float, str]] = field(default_factory=list)
    outages: list[tuple[float, float]] = field(default_factory=list)

    def unexplained(self) -> list[str]:
        return [text for at, text in self.failed if not any(begin <= at <= end for begin, end in self.outages)]

    @contextmanager
    def outage(self) -> Iterator[None]:
        """Inside, all servers of the model are gone. A call that was sent before may fail after its own time limit."""
        begin = time.monotonic()
        try:
            yield
        finally:
            self.outages.append((begin, time.monotonic() + TIMEOUT_S))


TIMEOUT_S = 10.0


@contextmanager
def calling(url: str, token: str | None, model: str, scales: Mapping[int, float], threads: int = 2) -> Iterator[Calls]:
    """Calls `model` about 20 times a second in each thread; version v must answer x · scales[v]."""
    calls, stop = Calls(), threading.Event()
    with InferenceClient(url, token, timeout_s=TIMEOUT_S) as client:
        callers = [
            threading.Thread(target=_call, args=(client, model, scales, calls, stop, seed)) for seed in range(threads)
        ]
        for caller in callers:
            caller.start()
        try:
            yield calls
        finally:
            stop.set()
            for caller in callers:
                caller.join()


def _call(
    client: InferenceClient, model: str, scales: Mapping[int, float], calls: Calls, stop: threading.Event, seed: int
) -> None:
    random = np.random.default_rng(seed)
    while not stop.wait(0.05):
        x = random.standard_normal((1, 4)).astype(np.float32)
        try:
            result = client.infer(model, x=x)
        except SeatrialError as error:
            calls.failed.append((time.monotonic(), f"{type(error).__name__}: {error.message}"))
            continue
        calls.answered[result.version] += 1
        if not np.allclose(result["y"], x * np.float32(scales[result.version])):
            calls.wrong.append(f"version {result.version}: {x.tolist()} → {result['y'].tolist()}")
