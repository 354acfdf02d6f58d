"""The tool that people use today: perf_analyzer of the tritonclient package, searching by itself."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from typing import Any

from benchmarks.capacity_subjects import Subject
from seatrial.profiling.cell import Objective

LIBRARIES = {"libb64.so.0d": "libb64-*", "libcudart.so.12": "libcudart-*"}
"""What it links to, and what that is called among the libraries of nvidia-pytriton."""

RATE = re.compile(r"^Request Rate: ([\d.]+), throughput: ([\d.]+) infer/sec, latency (\d+) usec", re.MULTILINE)
LONGEST_S = 300.0  # after which it has no answer


def search(home: Path, server: Subject, objective: Objective, highest: float) -> dict[str, Any]:
    """Its binary search over Poisson rates from 1 to `highest` requests/s for the highest within the objective, in
    steps of a hundredth. `answer` is the highest rate that it reports within the limit, None when it reports none.

    Latencies of three of its windows in a row may differ by half: with the tenth that it allows by itself it ends
    without an answer, since a p99 differs by more between windows of 5 s.
    """
    command = [
        *(str(Path(sys.prefix) / "bin" / "perf_analyzer"), "-m", server.model, "-u", server.address, "-i", "grpc"),
        *("--request-rate-range", f"1:{highest:.0f}:{max(1.0, highest / 100):.0f}", "--binary-search"),
        *("--request-distribution", "poisson", "--percentile", f"{objective.percentile:.0f}"),
        *("--latency-threshold", f"{objective.latency_ms:.0f}", "--input-data", str(_input(home, server))),
        *("--stability-percentage", "50"),
    ]
    environment = {**os.environ, "LD_LIBRARY_PATH": str(_libraries(home))}
    began = time.monotonic()
    try:
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LONGEST_S, check=False)
    except subprocess.TimeoutExpired:
        return {"answer": None, "seconds": LONGEST_S, "said": f"no answer in {LONGEST_S:.0f} s"}
    within = [float(rate) for rate, _, us in RATE.findall(ended.stdout) if int(us) <= 1000 * objective.latency_ms]
    return {"answer": max(within, default=None), "seconds": round(time.monotonic() - began, 1), "said": _last(ended)}


def _last(ended: subprocess.CompletedProcess[str]) -> str:
    lines = [line for line in (ended.stdout + ended.stderr).splitlines() if line.strip()]
    return lines[-1].strip()[:200] if lines else f"nothing, status {ended.returncode}"


def _input(home: Path, server: Subject) -> Path:
    """Shapes without the batch's dimension, as it wants them."""
    first = 1 if server.batches else 0
    one = {
        name: {"content": array.ravel().tolist(), "shape": list(array.shape[first:])}
        for name, array in server.request.items()
    }
    file = home / "perf_analyzer.json"
    file.write_text(json.dumps({"data": [one]}))
    return file


def _libraries(home: Path) -> Path:
    """A folder where it finds what it links to."""
    folder = home / "perf_analyzer"
    folder.mkdir(exist_ok=True)
    shipped = Path(sysconfig.get_path("purelib")) / "nvidia_pytriton.libs"
    for wanted, pattern in LIBRARIES.items():
        link = folder / wanted
        if not link.is_symlink():
            link.symlink_to(next(shipped.glob(pattern)))
    return folder
