"""`python -m benchmarks.failover`: three real tritonservers under a steady open loop while things go wrong with them.

60 s at 60 % of what the three carry: one is killed (-9), a new one is added, one is stopped (SIGSTOP) and goes on, one
becomes ten times slower and is well again, and at last the discovery is killed. Latency counts from the intended send
moment. First with the asyncio client, then with the threaded one. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.client_servers import MODEL, Discovery, Replica, discovery, replicas
from seatrial import AsyncInferenceClient, InferenceClient
from seatrial.errors import SeatrialError

SERVICE_S = 0.02
REPLICAS, SHARE_OF_CAPACITY = 3, 0.6
RATE = SHARE_OF_CAPACITY * REPLICAS / SERVICE_S
SECONDS, TIMEOUT_S = 60.0, 10.0
STEADY = ((2.0, 10.0), (19.0, 24.0))
"""All servers well: these are held against the weights."""

SLOW = (42.0, 50.0)
"""The slow server's share is counted from two seconds after it became slow."""

SHARE_AIM, SLOW_AIM = 0.05, 0.05
THREADS = 128
PORT = 23700
X = np.ones(64, np.float32)


@dataclass(frozen=True)
class Call:
    """When it was to be sent, since the beginning; after how long it ended; who answered, or how it failed."""

    due_s: float
    latency_s: float
    address: str
    failed: str


def plan(servers: list[Replica], manager: Discovery) -> list[tuple[float, str, Callable[[], None]]]:
    """What goes wrong when. The manager takes a server that it lost out of discovery a second later."""
    one, two, three, new = servers
    return [
        (10.0, "killed with -9", lambda: one.signal(signal.SIGKILL)),
        (11.0, "taken out of discovery", lambda: manager.tell(two, three)),
        (16.0, "one added", lambda: manager.tell(two, three, new)),
        (24.0, "stopped with SIGSTOP", lambda: two.signal(signal.SIGSTOP)),
        (34.0, "goes on", lambda: two.signal(signal.SIGCONT)),
        (40.0, "ten times slower", lambda: three.slow(10 * SERVICE_S)),
        (50.0, "as fast as before", lambda: three.slow(SERVICE_S)),
        (54.0, "manager killed with -9", manager.kill),
    ]


def arrivals(seed: int) -> Any:
    found = np.cumsum(np.random.default_rng(seed).exponential(1 / RATE, int(RATE * SECONDS * 1.5)))
    return found[found < SECONDS]


@contextmanager
def happening(events: list[tuple[float, str, Callable[[], None]]], began: float) -> Iterator[None]:
    def run() -> None:
        for at, what, act in events:
            time.sleep(max(0.0, began + at - time.monotonic()))
            print(f"    {at:5.1f} s  {what}", flush=True)
            act()

    thread = threading.Thread(target=run)
    thread.start()
    yield
    thread.join()


async def with_asyncio(url: str, servers: list[Replica], manager: Discovery) -> list[Call]:
    calls: list[Call] = []
    async with AsyncInferenceClient(url, "", timeout_s=TIMEOUT_S) as client:
        for _ in range(30):
            await client.infer(MODEL, x=X)
        began = time.monotonic()

        async def one(due_s: float) -> None:
            address, failed = "", ""
            try:
                address = (await client.infer(MODEL, x=X)).endpoint
            except SeatrialError as error:
                failed = f"{type(error).__name__}: {error}"
            calls.append(Call(due_s, time.monotonic() - began - due_s, address, failed))

        with happening(plan(servers, manager), began):
            tasks = []
            for due_s in arrivals(1):
                await asyncio.sleep(max(0.0, began + due_s - time.monotonic()))
                tasks.append(asyncio.create_task(one(float(due_s))))
            await asyncio.gather(*tasks)
    return calls


def with_threads(url: str, servers: list[Replica], manager: Discovery) -> list[Call]:
    calls: list[Call] = []
    with InferenceClient(url, "", timeout_s=TIMEOUT_S) as client, ThreadPoolExecutor(THREADS) as pool:
        for _ in range(30):
            client.infer(MODEL, x=X)
        began = time.monotonic()

        def one(due_s: float) -> None:
            address, failed = "", ""
            try:
                address = client.infer(MODEL, x=X).endpoint
            except SeatrialError as error:
                failed = f"{type(error).__name__}: {error}"
            calls.append(Call(due_s, time.monotonic() - began - due_s, address, failed))

        with happening(plan(servers, manager), began):
            for due_s in arrivals(1):
                time.sleep(max(0.0, began + due_s - time.monotonic()))
                pool.submit(one, float(due_s))
            pool.shutdown(wait=True)
    return calls


def p99_ms(calls: list[Call], since: float, until: float) -> float:
    found = [call.latency_s for call in calls if since <= call.due_s < until]
    return round(float(np.percentile(found, 99)) * 1000, 1) if found else 0.0


def shares(calls: list[Call], since: float, until: float) -> dict[str, float]:
    """Of the calls in this time, by the server that answered."""
    found = Counter(call.address for call in calls if since <= call.due_s < until)
    return {address: round(count / found.total(), 4) for address, count in found.items()}


def figures(calls: list[Call], servers: list[Replica], manager: Discovery) -> dict[str, Any]:
    failed = [call for call in calls if call.failed]
    off = [max(abs(share - 1 / REPLICAS) for share in shares(calls, *when).values()) for when in STEADY]
    return {
        "calls": len(calls),
        "failed": len(failed),
        "first_failures": [f"{call.due_s:.1f} s: {call.failed[:300]}" for call in failed[:3]],
        "p99_ms_before": p99_ms(calls, *STEADY[0]),
        "p99_ms_in_the_second_after": {what: p99_ms(calls, at, at + 1) for at, what, _ in plan(servers, manager)},
        "share_off_its_weight": round(max(off), 4),
        "slow_servers_share": shares(calls, *SLOW).get(servers[2].address, 0.0),
        "answered_after_manager_died": sum(call.due_s > 54 and not call.failed for call in calls),
    }


def good(found: dict[str, Any]) -> bool:
    shared = found["share_off_its_weight"] <= SHARE_AIM and found["slow_servers_share"] <= SLOW_AIM
    return bool(found["failed"] == 0 and shared and found["answered_after_manager_died"] > 0)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--client", choices=["asyncio", "threads"], action="append")
    chosen = parser.parse_args().client or ["asyncio", "threads"]
    found = {}
    for name in chosen:
        print(f"{name}: {RATE:.0f} calls/s for {SECONDS:.0f} s", flush=True)
        with replicas(REPLICAS + 1, SERVICE_S, port=PORT) as servers, discovery(*servers[:REPLICAS]) as manager:
            run = (manager.url, servers, manager)
            calls = asyncio.run(with_asyncio(*run)) if name == "asyncio" else with_threads(*run)
            found[name] = figures(calls, servers, manager)
        print(json.dumps(found[name], indent=4), flush=True)
    print(json.dumps({**found, "ok": all(map(good, found.values()))}))


if __name__ == "__main__":
    main()
