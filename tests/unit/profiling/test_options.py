from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.errors import Refused
from seatrial.hardware import HardwareOption
from seatrial.nvml import Gpu, Gpus
from seatrial.profiling.options import GB, load_options, machine_options, why_impossible


def test_the_options_of_a_machine_double_up_to_its_cores() -> None:
    assert [option.name for option in machine_options(6)] == ["cpu-1x1", "cpu-2x2", "cpu-4x4"]
    assert [option.name for option in machine_options(1)] == ["cpu-1x1"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- {name: a, cores: 0}", "0.cores"),
        ("- {name: a}\n- {name: a}", "called 'a'"),
        ("- {name: g, device: gpu}", "no option with device cpu"),
        ("nonsense", "options.yaml"),
        ("- {name: a, core: 1}", "0.core"),
        ("- {name: a, price: .inf}", "0.price"),
        ("- {name: a, price: .nan}", "0.price"),
    ],
)
def test_a_bad_options_file_is_refused_by_entry_and_field(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "options.yaml"
    file.write_text(text)
    with pytest.raises(Refused, match=said):
        load_options(file)


@pytest.mark.parametrize(
    ("option", "gpus", "said"),
    [
        ({"cores": 1}, (), None),
        ({"cores": 8}, (), "needs 8 cores, this machine has 2"),
        ({"cores": 2, "threads": 2, "instances": 2}, (), "do not fit"),
        ({"device": "gpu", "gpu": "T4"}, (), "needs T4, this machine has no GPU: no driver"),
        ({"device": "gpu", "gpu": "T4"}, ("Tesla P40",), "needs T4, this machine has Tesla P40"),
        ({"device": "gpu", "gpu": "T4"}, ("Tesla T4",), None),
    ],
)
def test_what_a_machine_lacks_is_said(option: dict[str, object], gpus: tuple[str, ...], said: str | None) -> None:
    have = Gpus(
        tuple(Gpu(i, f"GPU-{i}", name, 16384, "7.5", "default") for i, name in enumerate(gpus)), "", "no driver"
    )
    found = why_impossible(HardwareOption.model_validate({"name": "o", **option}), 2, have)
    assert found is None if said is None else said in str(found)


T4_MIB = 15068
T4 = Gpu(0, "GPU-0", "Tesla T4", T4_MIB, "7.5", "default")


def on_t4(weights_bytes: int | None, *gpus: Gpu, **option: object) -> str | None:
    """Why not, on one T4, or on the GPUs that are given."""
    wanted = {"name": "o", "device": "gpu", "cores": 8, **option}
    return why_impossible(HardwareOption.model_validate(wanted), 8, Gpus(gpus or (T4,)), weights_bytes)


@pytest.mark.parametrize(
    ("gigabytes", "option", "said"),
    [
        (
            5.1,
            {"mps_share": 0.25, "instances": 2},
            "2 instances of 5.1 GB of weights and 0.5 GB do not fit 1/4 of 15.8 GB",
        ),
        (3.6, {"mps_share": 0.25}, "1 instance of 3.6 GB of weights and 0.5 GB do not fit 1/4 of 15.8 GB"),
        (5.1, {"mps_share": 0.333}, "1 instance of 5.1 GB of weights and 0.5 GB do not fit 1/3 of 15.8 GB"),
        (5.1, {"instances": 3}, "3 instances of 5.1 GB of weights and 0.5 GB do not fit 15.8 GB"),
        (
            5.1,
            {"mps_share": 0.25, "gpu_memory_mib": 4096},
            "1 instance of 5.1 GB of weights and 0.5 GB do not fit 4.3 GB",
        ),
        (5.1, {"mps_share": 0.25, "gpu_memory_mib": 8192}, None),
        (3.4, {"mps_share": 0.25}, None),
        (5.1, {"instances": 2}, None),
        (None, {"mps_share": 0.01, "instances": 8}, None),
    ],
)
def test_weights_that_do_not_fit_a_gpu_are_told_with_the_figures(
    gigabytes: float | None, option: dict[str, object], said: str | None
) -> None:
    assert on_t4(None if gigabytes is None else int(gigabytes * GB), **option) == said


def test_the_gpu_with_most_memory_of_those_that_an_option_may_get_counts() -> None:
    p40 = Gpu(1, "GPU-1", "Tesla P40", 24 * 1024, "6.1", "default")
    assert on_t4(20 * GB, T4, p40) is None
    assert on_t4(20 * GB, T4, p40, gpu="T4") == "1 instance of 20.0 GB of weights and 0.5 GB do not fit 15.8 GB"


SHARES = st.one_of(st.none(), st.sampled_from([1.0, 0.5, 0.25, 0.1]))


@given(st.integers(0, 40 * GB), st.integers(1, 8), SHARES, st.integers(1024, 80 * 1024))
def test_what_is_measured_on_a_gpu_fits_its_share_of_the_memory(
    weights_bytes: int, instances: int, share: float | None, memory_mib: int
) -> None:
    gpu = Gpu(0, "GPU-0", "any", memory_mib, "8.0", "default")
    fits = weights_bytes * instances + 500_000_000 <= (share or 1) * memory_mib * 2**20
    assert (on_t4(weights_bytes, gpu, instances=instances, mps_share=share) is None) == fits
    assert on_t4(None, gpu, instances=instances, mps_share=share) is None


@given(st.integers(0, 2**60))
def test_an_option_on_cpu_is_never_refused_for_its_weights(weights_bytes: int) -> None:
    assert why_impossible(HardwareOption(name="o"), 1, Gpus((T4,)), weights_bytes) is None
