"""The manager is killed with −9 at random moments of deploying, rolling over and rolling back; each replica is killed;
the machine is rebooted. Every time what is wanted must be reached again, with nothing left over and nothing doubled,
while a service calls without one wrong answer and without one failure that is not explained.

    python -m tests.chaos --kills 20 --seed 7          the last line is a JSON object
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random, SystemRandom
from typing import Any

from seatrial.serving.processes import members
from seatrial.waiting import Deadline, wait_until
from tests.chaos.caller import Calls, calling
from tests.chaos.machine import Machine
from tests.chaos.story import SCALES, Story, killed_during, timed
from tests.ended import clear_up_when_ended


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.chaos")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(10**6))
    arguments = parser.parse_args()
    clear_up_when_ended()
    home = Path(tempfile.mkdtemp(prefix="seatrial-chaos-"))
    try:
        summary = chaos(home, arguments.kills, arguments.seed)
    except SystemExit:
        shutil.rmtree(home)
        raise
    if summary["ok"]:
        shutil.rmtree(home)
    else:
        say(f"kept for a look: {home}")
    print(json.dumps(summary))
    sys.exit(not summary["ok"])


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def chaos(home: Path, kills: int, seed: int) -> dict[str, Any]:
    say(f"seed {seed}, {kills} kills of the manager, state in {home}")
    started, random, machine = time.monotonic(), Random(seed), Machine(home, f"chaos{os.getpid()}")
    summary: dict[str, Any] = {"seed": seed}
    try:
        machine.start_manager()
        story = Story(machine, say)
        story.begin()
        settings = machine.settings
        with calling(settings.manager_url, settings.token, machine.model, SCALES) as calls:
            summary["kills"] = _kill_managers(machine, story, kills, random)
            summary["trial"] = _kill_manager_in_a_trial(machine, story)
            summary["replicas"] = _kill_replicas(machine)
            summary["reboot_settled_s"] = _reboot(machine, calls)
            summary["settled_s_after_all"] = round(machine.settled("all is as it should be"), 1)
        summary |= {
            "answered": dict(calls.answered),
            "wrong": len(calls.wrong),
            "failed": len(calls.failed),
            "unexplained": len(calls.unexplained()),
            "explained": dict(Counter(text.partition(":")[0] for _, text in calls.failed)),
        }
        for line in (*calls.wrong[:3], *calls.unexplained()[:5]):
            say(f"  {line}")
        summary["ok"] = not calls.wrong and not calls.unexplained() and sum(calls.answered.values()) > 0
    except Exception as error:
        say(f"failed: {error!r}")
        summary |= {"ok": False, "error": str(error)[:500]}
    finally:
        machine.end()
    return summary | {"seconds": round(time.monotonic() - started)}


def _kill_managers(machine: Machine, story: Story, kills: int, random: Random) -> dict[str, Any]:
    """One lap unharmed, to know how long each step takes; then a kill at a moment of each step, round and round."""
    lasts = {step: timed(act) for step, act in _lap(story, 2)}
    machine.settled("one lap")
    slowest, under_way, done = 0.0, Counter[str](), 0
    while done < kills:
        for step, act in _lap(story, 2 + done // 3 % 2):
            if done == kills:
                act()
                continue
            after_s = random.uniform(0.0, 1.1 * lasts[step])
            within = killed_during(machine, act, after_s, random)
            settled_s = machine.settled(f"after kill {done + 1}, {after_s:.2f} s into {step}")
            done, slowest = done + 1, max(slowest, settled_s)
            under_way[step] += within
            when = "under way" if within else "just done"
            say(f"  kill {done}: {after_s:.2f} s into {step} ({when}), all as wanted {settled_s:.1f} s later")
    return {"managers": done, "under_way": dict(under_way), "slowest_settled_s": round(slowest, 1)}


def _lap(story: Story, number: int) -> Iterator[tuple[str, Callable[[], None]]]:
    """A version is staged, promoted, and rolled back; each step is made when it is its turn."""
    yield "stage", story.stage(number)
    yield "promote", story.promote(number)
    yield "roll back", story.roll_back()


def _kill_manager_in_a_trial(machine: Machine, story: Story) -> dict[str, Any]:
    """Nobody comes back for a trial whose manager and caller are gone: the next manager ends it with its lease."""
    with machine.api() as api:
        version = api.version(int(story.versions[1]["model_id"]))
        option = api.health()["options"][0]
        trial = api.start_trial(
            served=version["served"], option=option, model_id=version["model_id"], lease_s=8.0, purpose="chaos"
        )
        ready = wait_until(
            lambda: api.trial(trial["id"])["state"] == "ready", Deadline.after(60), "the trial server is ready"
        )
    machine.kill_manager()
    machine.start_manager()
    return {"ready": ready, "gone_s": round(machine.settled("the trial server is gone"), 1)}


def _kill_replicas(machine: Machine) -> dict[str, Any]:
    """Each replica's server is killed, and each one's model instance: the others serve on, and all are replaced."""
    killed, slowest = 0, 0.0
    with machine.api() as api:
        replicas = [replica["id"] for deployment in api.deployments() for replica in deployment["replicas"]]
    for replica in replicas:
        name = ("tritonserver", "triton_python_b")[killed % 2]
        folder = machine.servers / replica
        next(process for process in members(folder) if process.name().startswith(name)).kill()
        wait_until(lambda folder=folder: not members(folder), Deadline.after(60), f"{replica} is gone")
        settled_s = machine.settled(f"after {name} of {replica} was killed")
        killed, slowest = killed + 1, max(slowest, settled_s)
        say(f"  {name} of {replica} killed, all as wanted {settled_s:.1f} s later")
    return {"killed": killed, "slowest_settled_s": round(slowest, 1)}


def _reboot(machine: Machine, calls: Calls) -> float:
    with calls.outage():
        stranger = machine.reboot()
        try:
            machine.start_manager()
            settled_s = machine.settled("after the reboot")
            assert stranger.is_running(), "a stranger with the pid of a server of another boot was touched"
        finally:
            stranger.kill()
            stranger.wait()
    say(f"  rebooted, all as wanted {settled_s:.1f} s later")
    return round(settled_s, 1)


if __name__ == "__main__":
    main()
