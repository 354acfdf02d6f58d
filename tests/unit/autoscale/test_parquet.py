"""The capacity table: what a row says, and that a parquet file holds just that."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow.parquet import read_table

from seatrial.autoscale.parquet import write_parquet
from seatrial.autoscale.row import AXES, FIGURES, Row, rows_of
from seatrial.errors import Refused
from seatrial.hardware import HardwareOption
from seatrial.profiling.cell import Capacity, Cell
from seatrial.profiling.sharing import Alone
from tests.unit.autoscale.test_derive_and_choose import cell

MU = ("mu_low_per_s", "mu_high_per_s")  # not known of older measurements
RATES = ("lambda_low_per_s", "lambda_max_per_s", "lambda_high_per_s", "price_per_request_per_s")
SHARED = ("neighbours", "alone_mu_per_s", "alone_lambda_max_per_s", "interference")
BETWEEN = tuple(f"p{percentile}_{end}_ms" for percentile in (50, 95, 99) for end in ("low", "high"))  # nor these
AT_LOAD = ("verified_at_per_s", "p50_ms", "p95_ms", "p99_ms")


def none_held(name: str) -> Cell:
    return cell(name, feasible=False, method="infeasible", lam=0.0, mu=70.0, verified_s=40, notes=("too slow", "hot"))


CELLS = [
    none_held("none-held"),
    cell("dear", price=9),
    cell("cheap", lam=90, method="live", verified_s=40),
    cell("surveyed", lam=50, method="survey", p99_low_ms=20, p99_high_ms=40),
]


def row(found: Cell) -> dict[str, Any]:
    return rows_of([found])[0].model_dump()


def test_what_was_not_found_is_none_and_never_0() -> None:
    infeasible, surveyed, measured = (row(CELLS[at]) for at in (0, 3, 1))
    assert [name for name, value in infeasible.items() if value is None] == [
        *_gpu(),
        "memory_mib",
        *MU,
        *RATES,
        *BETWEEN,
        *SHARED,
    ]
    assert [name for name in (*RATES, *AT_LOAD) if surveyed[name] is None] == [*AT_LOAD]
    assert all(surveyed[name] is None for name in BETWEEN)
    assert not [name for name in (*RATES, *AT_LOAD) if measured[name] is None]
    assert (infeasible["mu_per_s"], infeasible["verified_s"], infeasible["notes"]) == (70.0, 40.0, "too slow; hot")


def test_a_share_says_what_it_did_alone() -> None:
    found = row(cell(mu=80.0).model_copy(update={"alone": Alone(neighbours=3, mu=100.0, lambda_max=90.0)}))
    assert [found[name] for name in SHARED] == [3, 100.0, 90.0, 1.25]


def _gpu() -> list[str]:
    return [name for name in AXES if name.startswith(("gpu", "mps"))]


@given(st.permutations(CELLS))
def test_the_cheapest_comes_first_and_what_carries_nothing_last(cells: list[Cell]) -> None:
    assert [found.option for found in rows_of(cells)] == ["cheap", "surveyed", "dear", "none-held"]


def test_every_axis_of_an_option_is_a_column() -> None:
    """And the axes say all that an option is but its GPU's make, which follows from the model."""
    assert set(HardwareOption.model_fields) - set(AXES) == {"name", "compute_capability", "tensorrt"}
    assert set(AXES) | set(FIGURES) < set(Row.model_fields)
    assert set(FIGURES) < set(Capacity.model_fields)


def test_a_parquet_file_holds_each_row_with_the_types_of_its_columns(tmp_path: Path) -> None:
    file, rows = tmp_path / "deep" / "table.parquet", rows_of(CELLS)
    write_parquet(file, rows)
    found = read_table(file)
    assert found.to_pylist() == [row.model_dump() for row in rows]
    kinds = {
        **{"cores": pyarrow.int64(), "gpu_memory_mib": pyarrow.int64(), "mps_share": pyarrow.float64()},
        **{"gpu": pyarrow.string(), "feasible": pyarrow.bool_(), "measured_at": pyarrow.timestamp("ms", tz="UTC")},
    }
    assert {name: found.schema.field(name).type for name in kinds} == kinds
    assert [name for name in (*RATES, "mu_per_s") if not found.schema.field(name).nullable] == ["mu_per_s"]


def test_a_file_that_is_there_is_replaced_and_one_without_rows_has_the_columns(tmp_path: Path) -> None:
    file = tmp_path / "table.parquet"
    for rows in (rows_of(CELLS), ()):
        write_parquet(file, rows)
        assert (read_table(file).num_rows, read_table(file).column_names) == (len(rows), list(Row.model_fields))
    assert [one.name for one in tmp_path.iterdir()] == ["table.parquet"]


def test_a_file_that_cannot_be_written_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for target in (tmp_path, tmp_path / "file" / "table.parquet"):
        with pytest.raises(Refused, match=str(target)):
            write_parquet(target, rows_of(CELLS))
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_without_pyarrow_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(Refused, match=r"pip install 'seatrial\[parquet\]'"):
        write_parquet(tmp_path / "table.parquet", ())


def test_a_row_says_when_it_was_measured_as_a_moment() -> None:
    assert row(cell().model_copy(update={"at_ms": 1500}))["measured_at"] == datetime(1970, 1, 1, 0, 0, 1, 500_000, UTC)
