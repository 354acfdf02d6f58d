"""Upload → Production, as `make run ONCE=1` measures it: `python benchmarks/journey.py [RUNS]`.

Aims: at most 120 s with two CPU options and warm environments, at most 20 s of it without a step at work.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LIMIT_S, ORCHESTRATION_LIMIT_S = 120.0, 20.0


def main() -> int:
    runs = [_run() for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 2)]
    journeys = [run[name] for run in runs if run["ok"] for name in ("onnx", "savedmodel")]
    total = [journey["upload_to_production_s"] for journey in journeys]
    orchestration = [journey["orchestration_s"] for journey in journeys]
    ok = all(run["ok"] for run in runs) and max(total) <= LIMIT_S and max(orchestration) <= ORCHESTRATION_LIMIT_S
    failed = sum(run["traffic"]["failed"] for run in runs if run["ok"])
    print(
        json.dumps(
            {"upload_to_production_s": total, "orchestration_s": orchestration, "failed_calls": failed, "ok": ok}
        )
    )
    return 0 if ok else 1


def _run() -> dict[str, Any]:
    done = subprocess.run(["make", "run", "ONCE=1"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    print(done.stdout)
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


if __name__ == "__main__":
    sys.exit(main())
