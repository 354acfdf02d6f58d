"""The capacity table where pandas is: the text of a run's log, and the parquet file read back."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from seatrial.autoscale.parquet import write_parquet
from seatrial.autoscale.row import rows_of
from seatrial.autoscale.table import capacity_table
from tests.unit.autoscale.test_derive_and_choose import cell

ROWS = rows_of(
    [
        cell("cheap", lam=90, verified_s=40),
        cell("dear", price=9).model_copy(update={"at_ms": 1795519900123}),
        cell("slow", feasible=False, method="infeasible", lam=0.0, mu=4.0),
    ]
)


def test_pandas_reads_the_file_with_the_types_of_the_columns(tmp_path: Path) -> None:
    write_parquet(tmp_path / "table.parquet", ROWS)
    found = pd.read_parquet(tmp_path / "table.parquet").set_index("option")
    kinds = {
        **{"cores": "int64", "max_batch": "int64", "price": "float64", "lambda_max_per_s": "float64"},
        **{"feasible": "bool", "measured_at": "datetime64[ms, UTC]"},
    }
    assert {name: str(found[name].dtype) for name in kinds} == kinds
    assert pd.api.types.is_string_dtype(found["notes"])
    assert found["measured_at"]["dear"] == pd.Timestamp(1795519900123, unit="ms", tz="UTC")
    assert found["lambda_max_per_s"].dropna().to_dict() == {"cheap": 90.0, "dear": 100.0}


def test_what_an_infeasible_option_carries_is_null_and_not_0(tmp_path: Path) -> None:
    write_parquet(tmp_path / "table.parquet", ROWS)
    slow = pd.read_parquet(tmp_path / "table.parquet").set_index("option").loc["slow"]
    rates = ["lambda_low_per_s", "lambda_max_per_s", "lambda_high_per_s", "price_per_request_per_s"]
    assert slow[rates].isna().all()
    assert slow["mu_per_s"] == 4.0
    assert not slow["feasible"]


def test_the_text_of_a_run_shows_what_is_not_known_as_a_dash() -> None:
    heading, *lines = capacity_table(ROWS).splitlines()
    assert heading.split()[:4] == ["option", "method", "verified_s", "lambda_max_per_s"]
    assert [line.split()[0] for line in lines] == ["cheap", "dear", "slow"]
    assert lines[2].split()[3] == "–"
