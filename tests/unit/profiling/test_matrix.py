"""Matrices of hardware options, and the order in which they are measured."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.errors import Refused
from seatrial.hardware import HardwareOption
from seatrial.profiling.matrix import MatrixEntry, expand, in_order
from seatrial.profiling.options import load_options
from seatrial.profiling.pruning import dominates

COUNTS = st.lists(st.integers(1, 6), min_size=1, max_size=3, unique=True)
SHARES = st.lists(st.sampled_from([1.0, 0.5, 0.25]), max_size=3, unique=True)
GPUS = st.lists(st.sampled_from(["T4", "P40", "A10"]), max_size=3, unique=True)


@st.composite
def entries(draw: st.DrawFn) -> MatrixEntry:
    """A matrix that has a valid option: the first values of cores, threads and instances fit."""
    gpus = draw(GPUS)
    counts = {axis: draw(COUNTS) for axis in ("threads", "instances", "max_batch")}
    fits = min(counts["threads"]) * min(counts["instances"])
    cores = sorted({fits, *draw(COUNTS)})
    gpu = {"device": "gpu", "gpu": gpus, "mps_share": draw(SHARES), "price_per_gpu": dict.fromkeys(gpus, 5.0)}
    return MatrixEntry.model_validate({"matrix": "m", "cores": cores, **counts, **(gpu if gpus else {})})


@given(entries())
def test_a_matrix_is_all_valid_combinations_of_its_lists_each_once(entry: MatrixEntry) -> None:
    options = expand(entry)
    assert options == expand(entry)
    assert len({option.name for option in options}) == len(options)
    valid = sum(i * t <= c for c, t, i in itertools.product(entry.cores, entry.threads, entry.instances))
    others = len(entry.max_batch) * (len(entry.gpu) or 1) * (len(entry.mps_share) or 1)
    assert len(options) == valid * others
    assert all(option.instances * option.threads <= option.cores for option in options)


@given(entries(), st.randoms())
def test_the_order_changes_nothing_more_often_than_it_has_to(entry: MatrixEntry, random: Any) -> None:
    """As often as there are values, less one: of the GPU, of GPU and share, of these with core set and threads."""
    given_order = list(expand(entry))
    random.shuffle(given_order)
    ordered = in_order(given_order)
    assert sorted(o.name for o in ordered) == sorted(o.name for o in given_order)
    for fields in (("gpu",), ("gpu", "mps_share"), ("gpu", "mps_share", "cores", "threads")):
        states = [tuple(getattr(option, name) for name in fields) for option in ordered]
        assert sum(a != b for a, b in itertools.pairwise(states)) == len(set(states)) - 1


@given(entries())
def test_what_has_more_of_everything_is_measured_first(entry: MatrixEntry) -> None:
    ordered = in_order(expand(entry))
    for at, option in enumerate(ordered):
        assert not any(dominates(later, option) for later in ordered[at + 1 :])


def test_names_and_prices_say_what_an_option_has() -> None:
    cpu = {"matrix": "cpu", "cores": [2], "instances": [1, 2], "max_batch": [8], "price_per_core": 1.5}
    assert [(o.name, o.price) for o in expand(MatrixEntry.model_validate(cpu))] == [
        ("cpu-c2-t1-i1-b8", 3.0),
        ("cpu-c2-t1-i2-b8", 3.0),
    ]
    gpu = {"matrix": "g", "device": "gpu", "gpu": ["Tesla T4"], "mps_share": [0.25], "price_per_gpu": {"Tesla T4": 8}}
    (found,) = expand(MatrixEntry.model_validate(gpu))
    assert (found.name, found.price, found.mps_share) == ("g-tesla-t4-s0.25-c1-t1-i1-b1", 3.0, 0.25)


def test_a_queue_delay_is_for_the_options_with_batches_alone() -> None:
    entry = MatrixEntry(matrix="m", max_batch=(1, 4), max_queue_delay_us=500)
    assert [o.max_queue_delay_us for o in expand(entry)] == [0, 500]


def test_a_file_mixes_matrices_with_single_options(tmp_path: Path) -> None:
    file = tmp_path / "options.yaml"
    file.write_text("- {name: a}\n- {matrix: m, cores: [1, 2], threads: [1, 2]}\n")
    found = load_options(file)
    assert [option.name for option in found] == ["a", "m-c1-t1-i1-b1", "m-c2-t1-i1-b1", "m-c2-t2-i1-b1"]
    assert all(isinstance(option, HardwareOption) for option in found)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("{matrix: m, cores: [0]}", r"entry 1\.cores\.0: .*greater than or equal to 1"),
        ("{matrix: m, cores: [1, 1]}", r"entry 1\.cores: .*names a value twice"),
        ("{matrix: m, cores: []}", r"entry 1\.cores: .*at least 1 item"),
        ("{matrix: m, cores: 2}", r"entry 1\.cores: .*valid tuple"),
        ("{matrix: m, core: [2]}", r"entry 1\.core: "),
        ("{matrix: M}", r"entry 1\.matrix: "),
        ("{matrix: m, threads: [4]}", r"entry 1: no option is valid: 4 threads at least, 1 cores at most"),
        ("{matrix: m, gpu: [T4]}", r"entry 1: .*need device gpu"),
        ("{matrix: m, device: gpu}", r"entry 1: .*needs gpu"),
        ("{matrix: m, device: gpu, gpu: [T4]}", r"entry 1: .*price_per_gpu has \[\], gpu has \['T4'\]"),
        ("{matrix: m, price_per_core: .nan}", r"entry 1\.price_per_core: "),
        ("{matrix: m, price_per_core: 0}", r"entry 1\.price: .*greater than 0"),
        ("{matrix: m, instances: [65], cores: [65]}", r"entry 1\.instances: .*less than or equal to 64"),
        (f"{{matrix: m, cores: {[*range(1, 1001)]}, threads: [1, 2]}}", r"entry 1: .*= 2000 options \(limit: 1000\)"),
        ("{matrix: m}\n- {matrix: m}", "two options are called 'm-c1-t1-i1-b1'"),
    ],
)
def test_a_bad_matrix_is_refused_by_entry_and_field(tmp_path: Path, entry: str, said: str) -> None:
    file = tmp_path / "options.yaml"
    file.write_text(f"- {{name: a}}\n- {entry}\n")
    with pytest.raises(Refused, match=said):
        load_options(file)
