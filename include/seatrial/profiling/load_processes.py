"""Load from several processes, where one is not enough: each sends a part of it, all from the same moment on.

This file run as a program is one of them. It reads what to send as one JSON object, says that it is connected, reads
the moment at which the load begins (the monotonic clock is the machine's), and answers with what became of its part.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from seatrial.client.steps import EncodedRequest
from seatrial.errors import SeatrialError
from seatrial.profiling.load import LoadResult, at_moments, closed_loop
from seatrial.profiling.sending_process import SendingProcess, from_wire, say, wire_form
from seatrial.tensors import Array

AHEAD_S = 0.05
"""Between telling the processes the moment and the moment."""
ARRAYS = ("latency_s", "sent_s", "lateness_s")


def closed_loops(
    count: int, address: str, requests: Sequence[EncodedRequest], *, concurrency: int, seconds: float, least: int
) -> LoadResult:
    """As `closed_loop`, from so many processes: as many callers in each, and `concurrency` or a few more in all."""
    part = {"concurrency": math.ceil(concurrency / count), "seconds": seconds, "least": math.ceil(least / count)}
    found = _together(address, requests, [{"closed": part}] * count)
    return _joined(found, rate=sum(one.rate for one in found))


def open_loops(
    count: int,
    address: str,
    requests: Sequence[EncodedRequest],
    intended: Array,
    *,
    rate: float,
    seconds: float,
    bound: int,
) -> LoadResult:
    """As `at_moments`, from so many processes, which send by turns."""
    shared = {"rate": rate, "seconds": seconds, "bound": math.ceil(bound / count)}
    parts = [{"open": {**shared, "intended": intended[first::count].tolist()}} for first in range(count)]
    return _joined(_together(address, requests, parts), rate=rate)


def _together(address: str, requests: Sequence[EncodedRequest], parts: Sequence[Mapping[str, Any]]) -> list[LoadResult]:
    """Raises ServerFailed as the loops do, SeatrialError when a process ends without an answer."""
    with ExitStack() as running:
        processes = [running.enter_context(SendingProcess(__name__)) for _ in parts]
        for process, part in zip(processes, parts, strict=True):
            process.tell({"address": address, **wire_form(requests), **part})
        for process in processes:
            process.answer()
        began = time.monotonic() + AHEAD_S
        for process in processes:
            process.tell({"began": began})
        return [_result(process.answer()) for process in processes]


def _result(answer: Mapping[str, Any]) -> LoadResult:
    arrays = {name: np.array(answer[name], dtype=np.float64) for name in ARRAYS}
    return LoadResult(**{**answer, **arrays, "reasons": tuple(answer["reasons"])})


def _joined(found: Sequence[LoadResult], rate: float) -> LoadResult:
    arrays = {name: np.concatenate([getattr(one, name) for one in found]) for name in ARRAYS}
    return LoadResult(
        rate=rate,
        seconds=max(one.seconds for one in found),
        failed=sum(one.failed for one in found),
        reasons=tuple(reason for one in found for reason in one.reasons)[:3],
        aborted=any(one.aborted for one in found),
        **arrays,
    )


def _start() -> float:
    say({"connected": True})
    return float(json.loads(sys.stdin.readline())["began"])


def _part(given: dict[str, Any]) -> dict[str, Any]:
    address, requests = given["address"], from_wire(given)
    try:
        if "closed" in given:
            found = closed_loop(address, requests, start=_start, **given["closed"])
        else:
            part = given["open"]
            found = at_moments(address, requests, np.array(part.pop("intended")), start=_start, **part)
    except SeatrialError as error:
        return {"error": error.message}
    return {**vars(found), **{name: getattr(found, name).tolist() for name in ARRAYS}}


if __name__ == "__main__":
    say(_part(json.loads(sys.stdin.readline())))
