"""Where each option stands in the heat map, and that pictures are written."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.autoscale.grid import grid_of
from seatrial.autoscale.plots import draw_all, poisson_levels
from seatrial.errors import Refused
from seatrial.hardware import HardwareOption
from seatrial.profiling.cell import Cell, Level
from tests.unit.autoscale.test_derive_and_choose import cell
from tests.unit.profiling.test_quiet import gauges

PNG = b"\x89PNG"


def on(name: str, lam: float = 50.0, **axes: Any) -> Cell:
    option = HardwareOption.model_validate({"name": name, **axes})
    levels = [
        Level(rate=rate, p50_ms=10, p99_ms=30, late_share=0, cpu_cores=0.5, memory_mb=100, gauges=gauges())
        for rate in (20, 1.2 * lam, 0.95 * lam)
    ]
    return cell(lam=lam, levels=levels, services_ms=[10.0] * 100).model_copy(update={"option": option})


OPTIONS = st.fixed_dictionaries(
    {"cores": st.integers(1, 4), "instances": st.integers(1, 3), "max_batch": st.sampled_from([1, 8])}
)


@given(st.lists(OPTIONS, min_size=1, max_size=12))
def test_every_option_has_its_place_and_rows_and_columns_go_from_small_to_large(axes: list[dict[str, int]]) -> None:
    cells = [on(f"option-{number}", **each) for number, each in enumerate(axes)]
    found = grid_of(cells)
    assert len(found.cells) == len({tuple(sorted(each.items())) for each in axes})
    cores = [
        next(cell for (at, _), cell in found.cells.items() if at == row).option.cores for row in range(len(found.rows))
    ]
    assert cores == sorted({each["cores"] for each in axes})
    for (_, column), placed in found.cells.items():
        assert found.columns[column].startswith(f"{placed.option.instances} instance")


def test_a_gpu_and_its_shares_are_rows_and_what_differs_otherwise_too() -> None:
    t4: dict[str, Any] = {"device": "gpu", "gpu": "T4"}
    found = grid_of([on("a", **t4), on("b", **t4, mps_share=0.5), on("c"), on("d", precision="bf16")])
    assert found.rows == (
        *("1 core × 1 thread, bf16", "1 core × 1 thread"),
        *("T4 1/2, 1 core × 1 thread", "T4, 1 core × 1 thread"),
    )


def test_of_two_options_in_one_place_the_cheaper_is_seen() -> None:
    cells = [on("cheap", price=1.0), on("dear", price=2.0)]
    for order in (cells, cells[::-1]):
        assert [cell.option.name for cell in grid_of(order).cells.values()] == ["cheap"]


def test_each_option_and_the_matrix_are_drawn(tmp_path: Path) -> None:
    none = cell("none", feasible=False, method="infeasible", lam=0.0, mu=70.0)
    folder = tmp_path / "deep" / "plots"
    files = draw_all(folder, [on("a"), on("b", lam=80.0, cores=2), none, cell("surveyed", method="survey")], "b")
    assert [file.name for file in files] == ["a.png", "b.png", "none.png", "surveyed.png", "_matrix.png"]
    assert all(file.read_bytes().startswith(PNG) for file in files)


def test_a_saturation_that_was_measured_again_is_no_level_of_load() -> None:
    measured = on("a")
    again = measured.capacity.levels[1].model_copy(update={"kind": "saturation"})
    levels = (*measured.capacity.levels[:2], again, *measured.capacity.levels[2:])
    twice = measured.model_copy(update={"capacity": measured.capacity.model_copy(update={"levels": levels})})
    assert poisson_levels(twice) == poisson_levels(measured) == list(measured.capacity.levels[2:])


def test_a_matrix_in_which_nothing_keeps_the_objective_is_drawn_too(tmp_path: Path) -> None:
    cells = [cell(name, feasible=False, method="infeasible", lam=0.0, mu=70.0) for name in ("a", "b")]
    files = draw_all(tmp_path, cells, None)
    assert [file.name for file in files] == ["a.png", "b.png", "_matrix.png"]


def test_an_option_may_be_called_matrix(tmp_path: Path) -> None:
    files = draw_all(tmp_path, [on("matrix"), on("other")], "other")
    assert len(set(files)) == len(files) == 3


def test_one_option_needs_no_matrix(tmp_path: Path) -> None:
    assert [file.name for file in draw_all(tmp_path, [on("a")], "a")] == ["a.png"]


def test_a_folder_that_cannot_be_written_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Refused, match=str(tmp_path / "file")):
        draw_all(tmp_path / "file", [on("a")], "a")


def test_without_matplotlib_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(Refused, match=r"pip install 'seatrial\[plots\]'"):
        draw_all(tmp_path, [on("a")], "a")
