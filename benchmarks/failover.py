"""`make bench-failover`: replicas of a real manager under a steady open loop while things go wrong with them.

60 s at 60 % of what three replicas carry: one is killed (-9) and the manager starts another; one is stopped (SIGSTOP)
and the manager replaces it once it has been silent for 30 s; one is added; one becomes ten times slower and is well
again; at last the manager is killed. Latency counts from the intended send moment. First with the asyncio client, then
with the threaded one. Then how soon clients follow a stage move (`client_moves.py`). The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks import client_moves
from benchmarks.failover_load import LOADS, Begin, Call, capacity_per_s
from benchmarks.failover_platform import Platform, platform
from benchmarks.stopping import end_by_sigterm

TAKES_S = 0.02
REPLICAS, SHARE_OF_CAPACITY, SECONDS = 3, 0.6, 60.0

KILLED, STOPPED, ADDED, SLOW, WELL, ALONE = 9.0, 18.0, 26.0, 36.0, 46.0, 54.0
"""What happens when, in seconds since the beginning."""

STEADY = ((2.0, KILLED, 3), (14.0, STOPPED, 3), (31.0, SLOW, 3), (ALONE + 1, SECONDS, 4))
"""Since, until, and how many servers are well and known: these are held against the weights, which are equal."""

SLOW_SINCE = SLOW + 2.0
"""From here on the slow server's share is counted."""

SHARE_AIM, SLOW_AIM = 0.05, 0.05


@dataclass(frozen=True)
class Event:
    at: float
    what: str
    act: Callable[[], None]


def story_of(held: Platform) -> tuple[Event, ...]:
    first, second, third = held.replicas()
    return (
        Event(KILLED, "one killed with -9", lambda: held.signal(first, signal.SIGKILL)),
        Event(STOPPED, "one stopped with SIGSTOP", lambda: held.signal(second, signal.SIGSTOP)),
        Event(ADDED, "one added", lambda: held.want(REPLICAS + 1)),
        Event(SLOW, "one ten times slower", lambda: held.takes(third, 10 * TAKES_S)),
        Event(WELL, "as fast as before", lambda: held.takes(third, TAKES_S)),
        Event(ALONE, "manager killed with -9", held.kill_manager),
    )


def arrivals(rate: float) -> list[float]:
    found = np.cumsum(np.random.default_rng(1).exponential(1 / rate, int(rate * SECONDS * 1.5)))
    return [float(due) for due in found[found < SECONDS]]


@contextmanager
def happening(story: Sequence[Event]) -> Iterator[Begin]:
    """The events happen once `begin` was called; at the end all have."""

    def tell(began: float) -> None:
        for event in story:
            time.sleep(max(0.0, began + event.at - time.monotonic()))
            print(f"    {event.at:5.1f} s  {event.what}", flush=True)
            event.act()

    told: list[Future[None]] = []
    with ThreadPoolExecutor(1) as pool:
        yield lambda began: told.append(pool.submit(tell, began))
    for future in told:
        future.result()


def p99_ms(calls: Sequence[Call], since: float, until: float) -> float:
    found = [call.latency_s for call in calls if since <= call.due_s < until]
    return round(float(np.percentile(found, 99)) * 1000, 1) if found else 0.0


def shares(calls: Sequence[Call], since: float, until: float) -> dict[str, float]:
    """Of the calls in this time, by the server that answered."""
    found = Counter(call.address for call in calls if since <= call.due_s < until)
    return {address: round(count / found.total(), 4) for address, count in found.items()}


def off_its_weight(calls: Sequence[Call], since: float, until: float, servers: int) -> float:
    """How far the share of the server that is furthest from its weight is from it; all weights are equal."""
    found = list(shares(calls, since, until).values())
    found += [0.0] * (servers - len(found))
    return max(abs(share - 1 / servers) for share in found)


def figures(calls: Sequence[Call], story: Sequence[Event], slow: str, ready: Sequence[float]) -> dict[str, Any]:
    """`ready`: when each replica was, the first ones before the beginning (pure)."""
    failed = [call for call in calls if call.failed]
    awaited, new = (("restarted", KILLED), ("added", ADDED), ("replaced", STOPPED)), [at for at in ready if at > 0]
    return {
        "calls": len(calls),
        "failed": len(failed),
        "first_failures": [f"{call.due_s:.1f} s: {call.failed[:300]}" for call in failed[:3]],
        "p99_ms_before": p99_ms(calls, *STEADY[0][:2]),
        "p99_ms_in_the_second_after": {event.what: p99_ms(calls, event.at, event.at + 1) for event in story},
        "share_off_its_weight": round(max(off_its_weight(calls, *when) for when in STEADY), 4),
        "slow_servers_share": shares(calls, SLOW_SINCE, WELL).get(slow, 0.0),
        "new_replica_after_s": {w: round(at - since, 1) for (w, since), at in zip(awaited, new, strict=False)},
        "answered_after_manager_died": sum(call.due_s > ALONE and not call.failed for call in calls),
    }


def good(found: Mapping[str, Any]) -> bool:
    shared = found["share_off_its_weight"] <= SHARE_AIM and found["slow_servers_share"] <= SLOW_AIM
    kept = len(found["new_replica_after_s"]) == 3 and found["answered_after_manager_died"] > 0
    return bool(found["failed"] == 0 and shared and kept)


def run(name: str) -> dict[str, Any]:
    with platform(REPLICAS, TAKES_S) as held:
        capacity = capacity_per_s(held)
        rate = SHARE_OF_CAPACITY * capacity
        print(f"{name}: {rate:.0f} calls/s of {capacity:.0f} for {SECONDS:.0f} s", flush=True)
        story, slow = story_of(held), held.replicas()[2]["grpc_address"]
        with held.followed(), happening(story) as begin:
            record = LOADS[name](held, arrivals(rate), begin)
        ready = [at - record.began for at in held.ready.values()]
        return {"capacity_per_s": round(capacity, 1), **figures(record.calls, story, slow, ready)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--client", choices=list(LOADS), action="append")
    found = {}
    for name in parser.parse_args().client or list(LOADS):
        found[name] = run(name)
        print(json.dumps(found[name], indent=4), flush=True)
    moves = client_moves.measure()
    ok = all(map(good, found.values())) and client_moves.good(moves)
    print(json.dumps({**found, "moves": moves, "ok": ok}))


if __name__ == "__main__":
    end_by_sigterm()
    main()
