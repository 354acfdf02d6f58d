"""`make bench-capture`: what a call costs while nothing, one call of a hundred, or every call is captured.

One real tritonserver on one core, the caller on another; a closed loop of 1 kB calls, one thread and eight. The rules
take turns, one short slice each, in every round; a ratio is the median of the rounds' ratios. `none` is there twice:
its ratio to itself is the noise, and what capture costs when it is off, which is one comparison. The manager's part is
played by a small process, which takes captures and forgets them. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np

from benchmarks.client import Slice, sync_slice
from benchmarks.client_servers import MODEL, NO_CAPTURE, Discovery, Replica, discovery, replicas
from benchmarks.stopping import end_by_sigterm
from seatrial import InferenceClient
from seatrial.client.discovery import release, shared
from seatrial.waiting import Deadline, wait_until

RULES: Mapping[str, Mapping[str, float]] = {
    "none": NO_CAPTURE,
    "none again": NO_CAPTURE,
    "one of 100": {"share": 0.01, "per_minute": 100_000},
    "all": {"share": 1.0, "per_minute": 100_000},
}
AIMS = {"one of 100": 1.05, "all": 1.05}
"""p50 to that of `none`."""

THREADS = (1, 8)
X = np.random.default_rng(1).random(256, np.float32)
PORT = 23800


def figures(found: Mapping[str, Sequence[Slice]]) -> dict[str, dict[str, float]]:
    """Of each rule's slices, in the order of the rounds (pure)."""
    return {name: _figures(slices, found["none"]) for name, slices in found.items()}


def _figures(slices: Sequence[Slice], none: Sequence[Slice]) -> dict[str, float]:
    def median(field: str) -> float:
        return round(float(statistics.median(getattr(one, field) for one in slices)), 3)

    def ratio(field: str) -> float:
        pairs = zip(slices, none, strict=True)
        return round(float(statistics.median(getattr(one, field) / getattr(other, field) for one, other in pairs)), 3)

    medians = {field: median(field) for field in ("p50_ms", "p99_ms", "cpu_us")}
    return {**medians, **{f"{field}_to_none": ratio(field) for field in medians}}


def missed(cases: Mapping[str, Mapping[str, Mapping[str, float]]]) -> list[str]:
    return [
        f"{case}, {name}"
        for case, found in cases.items()
        for name, aim in AIMS.items()
        if found[name]["p50_ms_to_none"] > aim
    ]


class Bench:
    """One client, and a manager that changes its rule."""

    def __init__(self, server: Replica, manager: Discovery, client: InferenceClient, slice_s: float) -> None:
        self._server, self._manager, self.client, self._slice_s = server, manager, client, slice_s
        self._known = shared(manager.url, "", None)

    def close(self) -> None:
        release(self._known)

    def case(self, threads: int, rounds: int) -> dict[str, list[Slice]]:
        found: dict[str, list[Slice]] = {name: [] for name in RULES}
        for turn in range(rounds + 1):
            for name in list(RULES)[:: 1 if turn % 2 else -1]:
                one = self._slice(RULES[name], threads)
                found[name] += [one] if turn else []  # the first round warms up
        return found

    def _slice(self, rule: Mapping[str, float], threads: int) -> Slice:
        revision = self._known.news.revision
        self._manager.tell(self._server, capture=rule)
        wait_until(lambda: self._known.news.revision != revision, Deadline.after(10), "the rule is known")
        one = sync_slice(lambda x: self.client.infer(MODEL, x=x), X, threads, self._slice_s)
        wait_until(lambda: not self.client.capture.queued, Deadline.after(30), "all captures are sent")
        return one


@contextmanager
def bench(slice_s: float) -> Iterator[Bench]:
    cores = sorted(os.sched_getaffinity(0))
    with replicas(1, port=PORT, cores=set(cores[1:]) or None) as (server,), discovery(server) as manager:
        os.sched_setaffinity(0, {cores[0]})
        with InferenceClient(manager.url, "") as client:
            found = Bench(server, manager, client, slice_s)
            yield found
            found.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--slice-s", type=float, default=0.2)
    arguments = parser.parse_args()
    cases = {}
    with bench(arguments.slice_s) as running:
        for threads in THREADS:
            cases[f"{threads} threads"] = figures(running.case(threads, arguments.rounds))
            print(json.dumps({f"{threads} threads": cases[f"{threads} threads"]}, indent=4), flush=True)
        counts = running.client.capture.counts
    wrong = missed(cases)
    print(json.dumps({**cases, "sent": counts.sent, "dropped": counts.dropped, "missed": wrong, "ok": not wrong}))


if __name__ == "__main__":
    end_by_sigterm()
    main()
