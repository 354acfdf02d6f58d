"""One round of inputs for a parser, in a forked process that is confined as the format check's child is.

What the process reads is written down in memory that it shares with this one: when a parser in C or C++ ends it by a
signal, or never returns, the input is still there.
"""

from __future__ import annotations

import faulthandler
import mmap
import multiprocessing
import os
import struct
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from seatrial.formats import sandbox
from tests.fuzz.parsers import Parser

SEEDS, INPUTS_A_SEED = 100, 50
ALL = list(HealthCheck)
LONGEST_INPUT_S = 10.0
CONFINED = replace(sandbox.SandboxLimits(), memory_bytes=2 * 2**30, cpu_s=3600)


@dataclass(frozen=True)
class Finding:
    """Bytes that make a parser do what it should not: raise something else than a refusal, or end its process."""

    said: str
    data: bytes
    ended: bool = False


@dataclass
class Tried:
    """What the rounds of one parser did so far; `reading_s` are spent in the parser, the rest in making bytes."""

    inputs: int = 0
    refused: int = 0
    reading_s: float = 0.0
    slowest_s: float = 0.0

    def add(self, other: Tried) -> None:
        self.inputs += other.inputs
        self.refused += other.refused
        self.reading_s += other.reading_s
        self.slowest_s = max(self.slowest_s, other.slowest_s)


Over = Callable[[Tried], bool]
"""Whether a round that has tried so much is over."""


class Board:
    """Memory of both processes: what was tried, when the present input began (0 between two), and that input."""

    FORM = struct.Struct("<QQdddQ")
    LARGEST = 2**20

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, self.FORM.size + self.LARGEST)
        self.tried, self._began, self._length = Tried(), 0.0, 0

    def begin(self, data: bytes) -> None:
        self._began, self._length = time.monotonic(), min(len(data), self.LARGEST)
        self._memory[self.FORM.size : self.FORM.size + self._length] = data[: self._length]
        self._write()

    def end(self, *, refused: bool) -> None:
        took = time.monotonic() - self._began
        self.tried.add(Tried(1, int(refused), took, took))
        self._began = 0.0
        self._write()

    def read(self) -> tuple[Tried, float, bytes]:
        """What was tried, seconds that the present input has taken so far, and that input."""
        *tried, began, length = self.FORM.unpack_from(self._memory)
        data = self._memory[self.FORM.size : self.FORM.size + length]
        return Tried(*tried), time.monotonic() - began if began else 0.0, data

    def _write(self) -> None:
        t = self.tried
        values = (t.inputs, t.refused, t.reading_s, t.slowest_s, self._began, self._length)
        self.FORM.pack_into(self._memory, 0, *values)


def play(parser: Parser, over: Over) -> tuple[Tried, Finding | None]:
    """A round that ends with a finding or when it is `over`, which is asked before each input."""
    board = Board()
    ours, theirs = multiprocessing.Pipe(duplex=False)
    with tempfile.TemporaryDirectory(prefix="seatrial-fuzz-") as home:
        args = (parser, over, Path(home), board, theirs)
        child = multiprocessing.get_context("fork").Process(target=_round, args=args)
        child.start()
        theirs.close()
        try:
            while child.is_alive():
                child.join(0.1)
                if board.read()[1] > LONGEST_INPUT_S:
                    break
            late = child.is_alive()
        finally:
            child.kill()
            child.join()
    tried, _, data = board.read()
    said = f"it took longer than {LONGEST_INPUT_S:g} s" if late else _ending(child.exitcode)
    if said:
        return tried, Finding(said, data, ended=True)
    return tried, ours.recv()


def _ending(status: int | None) -> str:
    if status is not None and status < 0:
        return f"signal {-status} ended the process"
    return "" if status == 0 else f"the process ended with status {status}"


def _round(parser: Parser, over: Over, home: Path, board: Board, answer: Connection) -> None:
    faulthandler.disable()  # its process may end: that is told by who waits for it
    tempfile.tempdir = str(home)
    if parser.upload:  # C++ code writes a line for each thing that it dislikes
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    makes = parser.inputs()
    sandbox.enter(asdict(CONFINED), writes=True)

    def tried(data: bytes) -> str:
        """What the parser raised that it should not."""
        board.begin(data)
        refused = False
        try:
            parser.reads(data)
        except parser.refuses:
            refused = True
        except Exception as error:
            return f"{type(error).__name__}: {error}"[:500]
        finally:
            board.end(refused=refused)
        return ""

    found: list[Finding] = []

    @settings(max_examples=SEEDS, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=ALL)
    @given(st.integers(0, 2**64 - 1))
    def some(number: int) -> None:
        draw = Random(number)
        for _ in range(INPUTS_A_SEED):
            if found or over(board.tried):
                return
            data = draw.choice(makes)(draw)
            if said := tried(data):
                found.append(Finding(said, _smaller(data, lambda other: bool(tried(other)))))

    while not found and not over(board.tried):
        some()
    answer.send(found[0] if found else None)


def _smaller(data: bytes, same: Callable[[bytes], bool]) -> bytes:
    """`data` without the pieces that are not needed to find the same."""
    size = len(data) // 2
    while size:
        at = 0
        while at < len(data):
            shorter = data[:at] + data[at + size :]
            data, at = (shorter, at) if same(shorter) else (data, at + size)
        size //= 2
    return data
