"""1000 uploads at once through a real Airflow that is killed in the middle, then 30 one by one: `make bench-uploads`.

The watcher, the asset and the dispatcher are the product's; `model_version` is one task that does nothing, so that the
time is that of the way to a run. Airflow is killed with SIGKILL when a third of the runs are there, more uploads come
while it is down, and it is started again.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil

from benchmarks.stopping import end_by_sigterm
from quickstart.airflow_api import AirflowAPI, seconds_of
from quickstart.processes import Children
from quickstart.services import start_airflow
from seatrial.waiting import Deadline, wait_until
from tests.airflow.trivial import make_dags
from tests.ended import clear_up_when_ended

POLL_S = 2.0  # the trigger's own
MEDIAN_S = 5.0
SEED = 7


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--uploads", type=int, default=1000)
    parser.add_argument("--singles", type=int, default=30)
    options = parser.parse_args()
    clear_up_when_ended()
    children = Children()
    with tempfile.TemporaryDirectory(prefix="seatrial-uploads-") as folder:
        try:
            found = Bench(children, Path(folder)).run(options.uploads, options.singles)
        finally:
            children.stop(say)
    aims = {
        "each_once": found["runs"] == found["uploads"] and found["twice"] == 0,
        "median": found["latency_s"]["median"] <= MEDIAN_S,
    }
    print(json.dumps({"ok": all(aims.values()), "aims": aims, **found}))
    return 0 if all(aims.values()) else 1


def say(text: str) -> None:
    print(text, flush=True)


class Bench:
    def __init__(self, children: Children, folder: Path) -> None:
        self._children, self._home, self._root = children, folder, folder / "uploads"
        self._dags = make_dags(folder / "dags")
        self._sent: dict[str, float] = {}
        os.environ["SEATRIAL_UPLOADS"] = self._root.as_uri()

    def run(self, uploads: int, singles: int) -> dict[str, Any]:
        airflow = self._start()
        began = time.time()
        self._send([f"burst-{number}" for number in range(uploads)])
        self._wait(airflow, uploads // 3)
        killed_s = time.time() - began
        self._kill()
        say(f"killed after {killed_s:.1f} s")
        self._send([f"down-{number}" for number in range(uploads // 50)])
        airflow = self._start()
        restarted_s = time.time() - began
        self._wait(airflow, len(self._sent))
        burst_s = time.time() - began
        say(f"all {len(self._sent)} runs are there {burst_s:.1f} s after the uploads")
        latencies = self._singles(airflow, singles)
        wait_until(lambda: self._settled(airflow), Deadline.after(300), "all runs have ended")
        return self._report(airflow) | {
            "killed_after_s": round(killed_s, 1),
            "back_after_s": round(restarted_s, 1),
            "all_started_after_s": round(burst_s, 1),
            "latency_s": {
                "median": round(statistics.median(latencies), 2),
                "p99": round(sorted(latencies)[-1 - len(latencies) // 100], 2),
                "min": round(min(latencies), 2),
            },
            "poll_s": POLL_S,
        }

    def _start(self) -> AirflowAPI:
        return start_airflow(self._children, self._home, "http://127.0.0.1:1", "", settle_s=5.0, dags=self._dags)

    def _kill(self) -> None:
        below = psutil.Process().children(recursive=True)
        for process in below:
            process.kill()
        psutil.wait_procs(below, timeout=30)

    def _send(self, names: list[str]) -> None:
        """All of them appear within a moment: they are built under hidden names and renamed."""
        for name in names:
            building = self._root / f".incoming-{name}"
            building.mkdir(parents=True)
            (building / "model.yaml").write_text(f"name: {name}\n")
            (building / "_SUCCESS").touch()
        for name in names:
            (self._root / f".incoming-{name}").rename(self._root / name)
            self._sent[str(self._root / name)] = time.time()

    def _wait(self, airflow: AirflowAPI, number: int) -> None:
        def there() -> bool:
            found = self._count(airflow)
            say(f"  {found} runs of {number}")
            return found >= number

        wait_until(there, Deadline.after(600), f"{number} runs", first_s=1.0, longest_s=1.0)

    def _singles(self, airflow: AirflowAPI, number: int) -> list[float]:
        """Seconds from the renaming of an upload to the start of its run, at random moments of the poll."""
        dice, latencies = random.Random(SEED), []
        for at in range(number):
            time.sleep(dice.uniform(0, POLL_S))
            self._send([f"single-{at}"])
            (name, sent) = list(self._sent.items())[-1]
            run = wait_until(lambda name=name: self._started(airflow, name), Deadline.after(120), name)
            latencies.append(seconds_of(run["start_date"]) - sent)
            say(f"  {name.rpartition('/')[2]}: {latencies[-1]:.2f} s")
        return latencies

    def _started(self, airflow: AirflowAPI, upload: str) -> dict[str, Any] | None:
        run = airflow.run_of_upload(upload)
        return run if run and run["start_date"] else None

    def _count(self, airflow: AirflowAPI) -> int:
        return int(airflow.get("/dags/model_version/dagRuns", limit=1)["total_entries"])

    def _settled(self, airflow: AirflowAPI) -> bool:
        return all(
            airflow.get("/dags/model_version/dagRuns", limit=1, state=state)["total_entries"] == 0
            for state in ("queued", "running")
        )

    def _report(self, airflow: AirflowAPI) -> dict[str, Any]:
        runs = [
            run
            for offset in range(0, self._count(airflow), 100)
            for run in airflow.get("/dags/model_version/dagRuns", limit=100, offset=offset, order_by="id")["dag_runs"]
        ]
        of = Counter(run["conf"]["upload"] for run in runs)
        dispatchers = airflow.get("/dags/uploads/dagRuns", limit=100)
        return {
            "uploads": len(self._sent),
            "runs": len(of.keys() & self._sent.keys()),
            "twice": sum(number > 1 for number in of.values()),
            "failed": sum(run["state"] != "success" for run in runs),
            "dispatcher_runs": dispatchers["total_entries"],
        }


if __name__ == "__main__":
    end_by_sigterm()
    sys.exit(main())
