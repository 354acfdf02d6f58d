"""A service that calls the model while everything else goes on, and counts what it gets."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field

from quickstart.example_models import MELODY, tone
from seatrial import InferenceClient
from seatrial.errors import SeatrialError


@dataclass
class Traffic:
    """About `per_second` calls a second from one thread, until `stop`."""

    client: InferenceClient
    per_second: float = 4.0
    answered: Counter[int] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="traffic", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        windows = [tone(midi, seed) for seed, midi in enumerate(MELODY * 4)]
        turn = 0
        while not self._stop.wait(1 / self.per_second):
            try:
                answer = self.client.infer("pitch", audio=windows[turn % len(windows)])
                self.answered[answer.version] += 1
            except SeatrialError as error:
                self.failed.append(str(error))
            turn += 1
