"""What one Inference Server counts, from its own /metrics: requests, failures, and latencies of the last minute."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

SUMMARY = {0.5: 0.05, 0.9: 0.01, 0.95: 0.005, 0.99: 0.001}
"""The quantiles that a server keeps, each with its error (CKMS), over the last 48 to 60 s."""

TIMEOUT_S = 1.0
_LINE = re.compile(r"^(?P<name>\w+)(?:\{(?P<labels>[^}]*)\})? (?P<value>\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True)
class Reading:
    """`requests` ended since the server's start, `failures` of them failed: for Triton, or for our python runtime,
    whose error answers Triton counts as success. A request refused for its form (a name, a shape) is in neither.
    `quantiles_ms`: of the last minute's, NaN when it had none."""

    requests: int
    failures: int
    quantiles_ms: Mapping[float, float]


def options() -> list[str]:
    """The command line options that make a server keep the summary."""
    quantiles = ",".join(f"{quantile}:{error}" for quantile, error in SUMMARY.items())
    return ["--metrics-config=summary_latencies=true", f"--metrics-config=summary_quantiles={quantiles}"]


def read(metrics_address: str) -> Reading | None:
    """A reading now; None when the server does not answer, which is for others to judge."""
    try:
        answer = httpx.get(f"http://{metrics_address}/metrics", timeout=TIMEOUT_S, trust_env=False)
        return parse(answer.text) if answer.status_code == 200 else None
    except (httpx.HTTPError, ValueError):
        return None


def parse(text: str) -> Reading:
    """The reading of a server of one model (pure). ValueError for a value that is no number."""
    success = failures = answered_with_error = 0
    quantiles: dict[float, float] = {}
    for line in _LINE.finditer(text):
        labels, value = dict(_LABEL.findall(line["labels"] or "")), float(line["value"])
        if line["name"] == "nv_inference_request_success":
            success += int(value)
        elif line["name"] == "nv_inference_request_failure":
            failures += int(value)
        elif line["name"] == "seatrial_failed_requests":
            answered_with_error += int(value)
        elif line["name"] == "nv_inference_request_summary_us" and "quantile" in labels:
            quantiles[float(labels["quantile"])] = value / 1000
    return Reading(success + failures, failures + answered_with_error, quantiles)
