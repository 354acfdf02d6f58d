"""`python -m benchmarks.client`: what a call of our client costs beside the raw gRPC stub and tritonclient.

One real tritonserver on one core, all callers on another; closed loops, 1 kB and 600 kB tensors, sync with 1, 8 and 32
threads, async with 1, 32 and 256 outstanding. The three take turns, one short slice each, in every round; a ratio is
the median of the rounds' ratios, so that a drift of the machine meets all alike. With many outstanding the server is
what is busiest, all three wait for it alike, and the CPU of a call says more than its time: a `p50_to_tritonclient`
that is within twice its `p50_noise` of 1 is neither better nor worse, though it counts as missed above 1. The last line
is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from benchmarks.client_contestants import OURS, RAW, TRITON, AsyncCall, Call, async_callers, callers, check
from benchmarks.client_servers import discovery, replicas
from benchmarks.stopping import end_by_sigterm

SIZES = {"1 kB": 256, "600 kB": 150_000}
THREADS, OUTSTANDING = (1, 8, 32), (1, 32, 256)
P50_AIM, THROUGHPUT_AIM = 1.05, 0.95
PORT = 23600


@dataclass(frozen=True)
class Slice:
    """One contestant's turn. Milliseconds, calls a second, CPU of the calling process a call in microseconds."""

    p50_ms: float
    p99_ms: float
    per_s: float
    cpu_us: float


def measured(latency_s: list[float], seconds: float, cpu_s: float) -> Slice:
    p50, p99 = np.percentile(latency_s, [50, 99]) * 1000
    return Slice(float(p50), float(p99), len(latency_s) / seconds, cpu_s / len(latency_s) * 1e6)


def sync_slice(call: Call, x: Any, threads: int, seconds: float) -> Slice:
    latency: list[list[float]] = [[] for _ in range(threads)]

    def loop(mine: list[float]) -> None:
        while (began := time.perf_counter()) < until:
            call(x)
            mine.append(time.perf_counter() - began)

    running = [threading.Thread(target=loop, args=(mine,)) for mine in latency]
    cpu, began = time.process_time(), time.perf_counter()
    until = began + seconds
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return measured(list(chain(*latency)), time.perf_counter() - began, time.process_time() - cpu)


async def async_slice(call: AsyncCall, x: Any, outstanding: int, seconds: float) -> Slice:
    latency: list[float] = []

    async def loop() -> None:
        while (began := time.perf_counter()) < until:
            await call(x)
            latency.append(time.perf_counter() - began)

    cpu, began = time.process_time(), time.perf_counter()
    until = began + seconds
    await asyncio.gather(*(loop() for _ in range(outstanding)))
    return measured(latency, time.perf_counter() - began, time.process_time() - cpu)


def ratios(found: dict[str, list[Slice]], of: Callable[[Slice], float], over: str) -> list[float]:
    """Of ours to another's, in each round."""
    return [of(ours) / of(other) for ours, other in zip(found[OURS], found[over], strict=True)]


def ratio(found: dict[str, list[Slice]], of: Callable[[Slice], float], over: str) -> float:
    """The median over the rounds."""
    return round(statistics.median(ratios(found, of, over)), 3)


def noise(found: dict[str, list[Slice]], of: Callable[[Slice], float], over: str) -> float:
    """The standard error of `ratio`, from the quartiles of the rounds (1.253 standard deviations by the root of n)."""
    low, high = np.percentile(ratios(found, of, over), [25, 75])
    return round(float(1.253 * (high - low) / 1.349 / len(found[OURS]) ** 0.5), 3)


def figures(found: dict[str, list[Slice]]) -> dict[str, Any]:
    medians = {
        name: {
            field: round(statistics.median(getattr(one, field) for one in slices), 3)
            for field in ("p50_ms", "p99_ms", "per_s", "cpu_us")
        }
        for name, slices in found.items()
    }
    comparisons = {
        "p50_to_raw": ratio(found, lambda one: one.p50_ms, RAW),
        "throughput_to_raw": ratio(found, lambda one: one.per_s, RAW),
        "cpu_to_raw": ratio(found, lambda one: one.cpu_us, RAW),
        "p50_to_tritonclient": ratio(found, lambda one: one.p50_ms, TRITON),
        "throughput_to_tritonclient": ratio(found, lambda one: one.per_s, TRITON),
        "cpu_to_tritonclient": ratio(found, lambda one: one.cpu_us, TRITON),
        "p50_noise": noise(found, lambda one: one.p50_ms, TRITON),
    }
    return {**medians, **comparisons}


def good(case: dict[str, Any]) -> bool:
    to_raw = case["p50_to_raw"] <= P50_AIM and case["throughput_to_raw"] >= THROUGHPUT_AIM
    return bool(to_raw and case["p50_to_tritonclient"] < 1 and case["throughput_to_tritonclient"] > 1)


def told(name: str, case: dict[str, Any]) -> None:
    print(f"{name}{'' if good(case) else '   MISSED'}")
    for who in (RAW, TRITON, OURS):
        one = case[who]
        print(
            f"    {who:14} p50 {one['p50_ms']:8.3f} ms   p99 {one['p99_ms']:8.3f} ms   {one['per_s']:7.0f}/s"
            f"   {one['cpu_us']:7.0f} us CPU a call"
        )
    print("    " + "   ".join(f"{key} {value}" for key, value in case.items() if isinstance(value, float)), flush=True)


def run_sync(address: str, url: str, rounds: int, slice_s: float) -> dict[str, Any]:
    cases = {}
    with callers(address, url) as contestants:
        for size, count in SIZES.items():
            x = np.random.default_rng(1).random(count, np.float32)
            for name, call in contestants.items():
                check(name, x, call(x))
            for threads in THREADS:
                found: dict[str, list[Slice]] = {name: [] for name in contestants}
                for turn in range(rounds + 1):
                    for name in _turn(list(contestants), turn):
                        one = sync_slice(contestants[name], x, threads, slice_s)
                        found[name] += [one] if turn else []  # the first round warms up
                cases[f"sync, {threads} threads, {size}"] = figures(found)
                told(f"sync, {threads} threads, {size}", figures(found))
    return cases


async def run_async(address: str, url: str, rounds: int, slice_s: float) -> dict[str, Any]:
    cases = {}
    async with async_callers(address, url) as contestants:
        for size, count in SIZES.items():
            x = np.random.default_rng(1).random(count, np.float32)
            for name, call in contestants.items():
                check(name, x, await call(x))
            for outstanding in OUTSTANDING:
                found: dict[str, list[Slice]] = {name: [] for name in contestants}
                for turn in range(rounds + 1):
                    for name in _turn(list(contestants), turn):
                        one = await async_slice(contestants[name], x, outstanding, slice_s)
                        found[name] += [one] if turn else []
                cases[f"async, {outstanding} outstanding, {size}"] = figures(found)
                told(f"async, {outstanding} outstanding, {size}", figures(found))
    return cases


def _turn(names: list[str], turn: int) -> list[str]:
    """Another one begins each round."""
    at = turn % len(names)
    return names[at:] + names[:at]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--slice-s", type=float, default=0.25)
    arguments = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    server_cores = set(cores[1:]) or None
    with replicas(1, port=PORT, cores=server_cores) as (server,), discovery(server) as manager:
        if server_cores:
            os.sched_setaffinity(0, {cores[0]})
        timing = (arguments.rounds, arguments.slice_s)
        cases = run_sync(server.address, manager.url, *timing)
        cases |= asyncio.run(run_async(server.address, manager.url, *timing))
    missed = [name for name, case in cases.items() if not good(case)]
    print(json.dumps({"cases": cases, "cores": len(cores), "missed": missed, "ok": not missed}))


if __name__ == "__main__":
    end_by_sigterm()
    main()
