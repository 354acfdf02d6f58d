from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from seatrial.errors import Refused
from seatrial.hardware import HardwareOption
from seatrial.nvml import Gpu
from seatrial.serving.placement import GpuPlacement, named_gpus, pick_gpu

T4 = Gpu(0, "GPU-a", "Tesla T4", 15360, "7.5", "default")
P40 = Gpu(1, "GPU-b", "Tesla P40", 23040, "6.1", "default")
TWIN = Gpu(2, "GPU-c", "Tesla T4", 15360, "7.5", "default")


def option(**fields: object) -> HardwareOption:
    return HardwareOption.model_validate({"name": "o", "device": "gpu", **fields})


def placed(gpu: Gpu, share: float | None = None, memory_mib: int | None = None) -> GpuPlacement:
    return GpuPlacement(uuid=gpu.uuid, model=gpu.model, mps_share=share, memory_mib=memory_mib)


def test_an_option_on_cpu_takes_no_gpu() -> None:
    assert pick_gpu(option(device="cpu"), [T4], "", ()) is None


def test_the_least_loaded_gpu_of_the_named_model_is_taken() -> None:
    assert pick_gpu(option(gpu="t4"), [T4, P40, TWIN], "", [placed(T4)]) == placed(TWIN)
    assert pick_gpu(option(gpu="t4", mps_share=0.5), [T4, TWIN], "", [placed(T4, 0.25), placed(TWIN, 0.5)]) == placed(
        T4, 0.5
    )


def test_a_uuid_names_one_gpu_however_loaded_it_is() -> None:
    assert pick_gpu(option(gpu_uuid="GPU-a"), [T4, TWIN], "", [placed(T4)]) == placed(T4)


@pytest.mark.parametrize(
    ("fields", "gpus"),
    [({}, [T4, P40, TWIN]), ({"gpu": "T4"}, [T4, TWIN]), ({"gpu_uuid": "GPU-b"}, [P40]), ({"device": "cpu"}, [])],
)
def test_an_option_names_the_gpus_that_it_may_get(fields: dict[str, object], gpus: list[Gpu]) -> None:
    assert named_gpus(option(**fields), [T4, P40, TWIN]) == gpus


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"gpu": "A100"}, r"needs A100, this machine has Tesla T4 \(GPU-a\)"),
        ({"gpu_uuid": "GPU-0"}, "needs GPU-0, this machine has Tesla T4"),
        ({"mps_share": 0.5, "gpu_memory_mib": 9000}, "needs 9000 MiB of GPU memory, 7360 MiB are not promised"),
    ],
)
def test_what_the_gpus_cannot_give_is_refused_with_what_they_have(fields: dict[str, object], said: str) -> None:
    with pytest.raises(Refused, match=said):
        pick_gpu(option(**fields), [T4], "", [placed(T4, 0.5, 8000)])


def test_without_a_gpu_the_reason_of_nvml_is_said() -> None:
    with pytest.raises(Refused, match="this machine has no GPU: NVML: Driver Not Loaded"):
        pick_gpu(option(), [], "NVML: Driver Not Loaded", ())


@given(st.lists(st.sampled_from([0.25, 0.5, 1.0]), min_size=1, max_size=24))
def test_the_load_of_equal_gpus_never_differs_by_more_than_one_replica(shares: list[float]) -> None:
    held: list[GpuPlacement] = []
    for share in shares:
        found = pick_gpu(option(gpu="T4", mps_share=share), [T4, TWIN], "", held)
        assert found is not None
        held.append(found)
    loads = [sum(place.load for place in held if place.uuid == gpu.uuid) for gpu in (T4, TWIN)]
    assert abs(loads[0] - loads[1]) <= max(shares)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"device": "cpu", "mps_share": 0.5}, "mps_share needs device gpu"),
        ({"device": "cpu", "gpu": "T4"}, "gpu needs device gpu"),
        ({"gpu_memory_mib": 100}, "gpu_memory_mib needs mps_share"),
        ({"gpu_uuid": "0"}, "gpu_uuid"),
    ],
)
def test_gpu_fields_that_mean_nothing_are_refused(fields: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        option(**fields)
