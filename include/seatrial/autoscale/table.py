"""The capacity table as a person reads it. pandas, so only where Airflow runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def capacity_table(rows: Sequence[dict[str, Any]]) -> str:
    """Rows of a Choice as text, the cheapest first, infeasible ones last."""
    import pandas as pd

    frame = pd.DataFrame(list(rows)).sort_values("price_per_request", na_position="last")
    return str(frame.to_string(index=False, na_rep="–"))
