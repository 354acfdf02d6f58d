"""The capacity table as a person reads it. pandas, so only where Airflow runs."""

from __future__ import annotations

from collections.abc import Sequence

from seatrial.autoscale.row import Row

SHOWN = (
    *("option", "method", "verified_s", "lambda_max_per_s", "mu_per_s", "p99_ms"),
    *("cpu_cores_mean", "memory_mb_peak", "price", "price_per_request_per_s"),
)


def capacity_table(rows: Sequence[Row]) -> str:
    """Rows of a Choice as text, in their order."""
    import pandas as pd

    frame = pd.DataFrame([row.model_dump(include=set(SHOWN)) for row in rows], columns=list(SHOWN))
    return str(frame.to_string(index=False, na_rep="–"))
