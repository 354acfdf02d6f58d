from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.errors import Refused
from seatrial.hardware import HardwareOption
from seatrial.nvml import Gpu, Gpus
from seatrial.profiling.options import load_options, machine_options, why_impossible


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
