"""How long a service waits for `import seatrial` and for its client, in fresh processes.

    python -m benchmarks.client_import

Each round imports, in a process of its own and one after the other, numpy alone, gRPC alone, `seatrial`, and
`from seatrial import InferenceClient`. Seconds of the import itself, not of the interpreter's start; the aim is for a
median of `import seatrial` of at most 0.3 s, and the client is shown beside what it cannot do without.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys

STATEMENTS = {
    "numpy": "import numpy",
    "grpc": "import grpc",
    "seatrial": "import seatrial",
    "client": "from seatrial import InferenceClient",
}
AIM_S = 0.3
CODE = "import time; began = time.perf_counter(); {}; print(time.perf_counter() - began)"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    seconds: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    for _ in range(rounds + 1):
        for name, statement in STATEMENTS.items():
            seconds[name].append(_seconds(statement))
    medians = {name: round(statistics.median(found[1:]), 4) for name, found in seconds.items()}  # the first reads disks
    for name, median in medians.items():
        print(
            f"{STATEMENTS[name]:42} {median:.3f} s  (of {rounds}: {min(seconds[name]):.3f} to {max(seconds[name]):.3f})"
        )
    print(json.dumps({"ok": medians["seatrial"] <= AIM_S, "client_ok": medians["client"] <= AIM_S, **medians}))


def _seconds(statement: str) -> float:
    done = subprocess.run([sys.executable, "-c", CODE.format(statement)], check=True, capture_output=True, text=True)
    return float(done.stdout)


if __name__ == "__main__":
    main()
