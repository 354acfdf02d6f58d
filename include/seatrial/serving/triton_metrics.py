"""What one Inference Server counts, from its own /metrics: requests, failures, queue, latencies of the last minute."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException

SUMMARY = {0.5: 0.05, 0.9: 0.01, 0.95: 0.005, 0.99: 0.001}
"""The quantiles that a server keeps, each with its error (CKMS), over the last 48 to 60 s."""

TIMEOUT_S = 1.0
SUCCESS, FAILURE = "nv_inference_request_success", "nv_inference_request_failure"
PENDING, ANSWERED_WITH_ERROR = "nv_inference_pending_request_count", "seatrial_failed_requests"
COUNTS, QUANTILES = (SUCCESS, FAILURE, PENDING, ANSWERED_WITH_ERROR), "nv_inference_request_summary_us"
_COUNT = re.compile(rf"({'|'.join(COUNTS)})(?:\{{[^}}]*\}})? (\S+)")
_QUANTILE = re.compile(rf'{QUANTILES}\{{[^}}]*quantile="([^"]*)"[^}}]*\}} (\S+)')


@dataclass(frozen=True)
class Reading:
    """`requests` ended since the server's start, `failures` of them failed: for Triton, or for our python runtime,
    whose error answers Triton counts as success. A request refused for its form (a name, a shape) is in neither.
    `waiting`: requests in the queue, for an instance to be free; those that an instance works on are counted nowhere.
    `quantiles_ms`: of the last minute's, NaN when it had none."""

    requests: int
    failures: int
    waiting: int
    quantiles_ms: Mapping[float, float]


def options() -> list[str]:
    """The command line options that make a server keep the summary."""
    quantiles = ",".join(f"{quantile}:{error}" for quantile, error in SUMMARY.items())
    return ["--metrics-config=summary_latencies=true", f"--metrics-config=summary_quantiles={quantiles}"]


def read(metrics_address: str) -> Reading | None:
    """A reading now; None when the server does not answer, which is for others to judge."""
    with closing(HTTPConnection(metrics_address, timeout=TIMEOUT_S)) as connection:
        return read_over(connection)


def read_over(connection: HTTPConnection) -> Reading | None:
    """As `read`, over a connection that is kept, and made again after a failure."""
    try:
        status, page = get(connection, "/metrics")
        return parse(page.decode()) if status == 200 else None
    except (OSError, HTTPException, ValueError, OverflowError):
        return None


def get(connection: HTTPConnection, path: str) -> tuple[int, bytes]:
    """Status and body. Raises OSError and HTTPException; the next question then opens the connection again."""
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, HTTPException):
        connection.close()
        raise


def parse(text: str) -> Reading:
    """The reading of a server of one model (pure). ValueError or OverflowError for a value that is no number."""
    counts, lines = Counter[str](), text.split("\n")  # a line at a time: five times as fast as over the whole page
    for found in map(_COUNT.fullmatch, (line for line in lines if line.startswith(COUNTS))):
        if found:
            counts[found[1]] += int(float(found[2]))
    quantiles = map(_QUANTILE.fullmatch, (line for line in lines if line.startswith(QUANTILES)))
    return Reading(
        requests=counts[SUCCESS] + counts[FAILURE],
        failures=counts[FAILURE] + counts[ANSWERED_WITH_ERROR],
        waiting=counts[PENDING],
        quantiles_ms={float(found[1]): float(found[2]) / 1000 for found in quantiles if found},
    )
