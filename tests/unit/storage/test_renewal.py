"""Any order of the steps of puts, collections and readers keeps what was put."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from seatrial.errors import NotFound
from seatrial.storage.folder import Folder
from seatrial.storage.renewal import RenewedFiles

GRACE_S, OLD_S = 100.0, 1000.0
PATH, DATA = "blobs/a", b"bytes"
SHA256 = hashlib.sha256(DATA).hexdigest()


class Party(threading.Thread):
    """One process: each call of its storage waits until `step` lets it go on."""

    def __init__(self, root: Path, does: Callable[[Folder], None]) -> None:
        super().__init__(daemon=True)
        self._folder, self._does = Folder(root), does
        self._go, self._stopped = threading.Semaphore(0), threading.Semaphore(0)
        self.error: BaseException | None = None
        self.ended = False

    def __getattr__(self, name: str) -> Callable[..., object]:
        def call(*arguments: object) -> object:
            self._stopped.release()
            self._go.acquire()
            return getattr(self._folder, name)(*arguments)

        return call

    def run(self) -> None:
        self._go.acquire()
        try:
            self._does(self)  # type: ignore[arg-type]
        except BaseException as error:
            self.error = error
        self.ended = True
        self._stopped.release()

    def step(self) -> None:
        """Go on to the next call, which has not begun then, or to the end."""
        self._go.release()
        self._stopped.acquire()


def put(storage: Folder) -> None:
    if not RenewedFiles(storage).renew(PATH):
        storage.write(PATH, io.BytesIO(DATA), SHA256)
        put(storage)


def put_and_read(storage: Folder) -> None:
    put(storage)
    assert RenewedFiles(storage).read(PATH, io.BytesIO()) == SHA256


def remove(storage: Folder) -> None:
    RenewedFiles(storage).remove(PATH, GRACE_S)


def collect(storage: Folder) -> None:
    RenewedFiles(storage).put_all_back()
    RenewedFiles(storage).remove(PATH, GRACE_S)


def read(storage: Folder) -> None:
    with suppress(NotFound):
        RenewedFiles(storage).read(PATH, io.BytesIO())


def suspect(storage: Folder) -> None:
    """A reader who has read other bytes than are there: the disk or the network was wrong once."""
    assert not RenewedFiles(storage).set_damaged_aside(PATH, SHA256)


PARTIES = (put_and_read, remove, collect, remove, read, put, suspect)


def run(root: Path, schedule: Iterator[int]) -> list[Party]:
    parties = [Party(root, does) for does in PARTIES]
    for party in parties:
        party.start()
    waiting = list(parties)
    while waiting:
        party = waiting[next(schedule, 0) % len(waiting)]
        party.step()
        if party.ended:
            waiting.remove(party)
    return parties


BURSTS = st.lists(st.tuples(st.integers(0, 59), st.integers(1, 6)), max_size=40)
PUT_BACK_OLD = [3, 3, 3, 0, 0, 0, 0, 2, 2, 2, 2, 0, 0, 1, 1, 4, 0, 0, 1, 1, 3, 1]
"""Breaks the rule if what is put back is not made young first."""
ONE_NAME_ASIDE = [2, 2, 2, 3, 3, 2, 2, 0, 0, 0, 0, 0, 0, 0, 4, 4, 2]
"""Breaks the rule if two collections take a file aside under one name."""


@given(BURSTS.map(lambda bursts: [party for party, steps in bursts for _ in range(steps)]))
@example(PUT_BACK_OLD)
@example(ONE_NAME_ASIDE)
@settings(max_examples=300)
def test_what_two_puts_rely_on_stays_in_any_order_of_steps(schedule: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        storage = Folder(root)
        storage.write(PATH, io.BytesIO(DATA), SHA256)
        then = time.time() - OLD_S
        os.utime(root / PATH, (then, then))
        assert [party.error for party in run(root, iter(schedule))] == [None] * len(PARTIES)
        assert RenewedFiles(storage).read(PATH, io.BytesIO()) == SHA256
        found = storage.look(PATH)
        assert found is not None
        assert found.age_s < GRACE_S
