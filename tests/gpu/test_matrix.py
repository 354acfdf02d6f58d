"""The whole matrix, two GPUs and shares of one beside a CPU, through Airflow. The GPUs are simulated: NVML and CUDA's
driver at their own interfaces, an execution's time by a known function (`standins/gpu/simulated_gpu.py`). All else is
real: Airflow, the manager, ml-metadata, tritonserver, the MPS control daemon."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import psutil
import pytest

from seatrial import InferenceClient
from seatrial.profiling.cell import Cell
from seatrial.uploads.send import send
from tests.e2e.conftest import Platform, running
from tests.models import heavy_onnx, write_upload
from tests.standins.gpu.installation import simulated_gpus
from tests.standins.gpu.simulated_gpu import INTERFERENCE, T4, USED, WHOLE_S

HALF, QUARTER, WHOLE, P40 = (f"simulated-{name}-c1-t1-i1-b1" for name in ("t4-s0.5", "t4-s0.25", "t4", "p40"))
# The CPU is real: too dear to be chosen, however quick this machine is.
OPTIONS = """\
- {name: cpu-1x1, price: 12.0}
- {matrix: simulated, device: gpu, gpu: [T4, P40], price_per_core: 0.1, price_per_gpu: {T4: 8, P40: 12}}
- {matrix: simulated, device: gpu, gpu: [T4], mps_share: [0.5, 0.25], price_per_core: 0.1, price_per_gpu: {T4: 8}}
"""
X = np.linspace(-1, 1, 512, dtype=np.float32).reshape(1, 512)
DAEMON = "nvidia-cuda-mps"


def daemons() -> list[int]:
    return [process.pid for process in psutil.process_iter() if process.name().startswith(DAEMON)]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    before = daemons()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in simulated_gpus(tmp_path_factory.mktemp("gpus")).items():
            patch.setenv(name, value)
        with running(tmp_path_factory.mktemp("home"), OPTIONS) as found:
            yield found
    assert daemons() == before, "an MPS daemon outlives the manager"


@pytest.fixture(scope="module")
def cells(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Cell]:
    """What one run measured, by option: the thorough measurement where there is one, else the survey."""
    folder = tmp_path_factory.mktemp("upload") / "products"
    heavy_onnx(folder / "model.onnx")
    objective = {"percentile": 99, "latency_ms": 150}
    samples = {"samples/a.npz": {"x": X}}
    upload = write_upload(folder, name="products", model=False, samples=samples, objective=objective, marker=False)
    run = platform.run_of(send(upload, platform.home / "uploads", "products"), longest_s=1500)
    assert run["state"] == "success", platform.first_failure(run)
    evidence = platform.manager.evidence(platform.manager.policy("products")["model_id"])
    found: dict[str, Any] = {}
    for kind in ("SurveyHardware", "ProfileHardware"):
        of_kind = sorted((one for one in evidence if one["kind"] == kind), key=lambda one: int(one["at_ms"]))
        found |= {one["key"]: one["document"] for one in of_kind}
    return {name: Cell.model_validate(document) for name, document in found.items()}


def test_every_option_has_a_figure_and_those_of_a_gpu_are_labelled_simulated(cells: dict[str, Cell]) -> None:
    assert set(cells) == {"cpu-1x1", HALF, QUARTER, WHOLE, P40}
    for name, cell in cells.items():
        assert cell.driver == "535.0 (simulated)"
        assert (cell.option.device == "gpu") == name.startswith("simulated")
        assert (cell.capacity.gpu is not None) == (cell.option.device == "gpu")


def test_a_share_is_measured_beside_as_many_neighbours_as_its_gpu_has_room_for(cells: dict[str, Cell]) -> None:
    """What they cost is what the simulated device adds for each, of the part of a request that it computes."""
    assert {name: cell.alone and cell.alone.neighbours for name, cell in cells.items()} == {
        **{"cpu-1x1": None, WHOLE: None, P40: None},
        **{HALF: 1, QUARTER: 3},
    }
    for name, neighbours in ((HALF, 1), (QUARTER, 3)):
        assert not [note for note in cells[name].capacity.notes if "neighbour" in note]
        added = (cells[name].interference or 0.0) - 1
        assert 0.4 * INTERFERENCE * neighbours <= added <= 1.1 * INTERFERENCE * neighbours


def test_alone_each_share_saturates_where_the_device_does(cells: dict[str, Cell]) -> None:
    alone = {name: cell.alone.mu if cell.alone else cell.capacity.mu for name, cell in cells.items()}
    assert alone[HALF] == pytest.approx(alone[WHOLE], rel=0.1), "the network can use no more than half of it"
    assert alone[QUARTER] == pytest.approx(0.25 / USED * alone[WHOLE], rel=0.15)
    assert 0.6 / WHOLE_S[T4] <= alone[WHOLE] <= 1 / WHOLE_S[T4]
    assert alone[P40] > alone[WHOLE] > cells["cpu-1x1"].capacity.mu


def test_the_share_that_is_cheapest_beside_its_neighbours_is_chosen_and_served(
    platform: Platform, cells: dict[str, Cell]
) -> None:
    """Alone the quarter would look as cheap as the half."""
    policy = platform.manager.policy("products")
    assert policy["option"]["name"] == HALF
    assert cells[HALF].capacity.verified_s == 40.0

    (deployment,) = platform.manager.deployments()
    ready = [replica for replica in deployment["replicas"] if replica["state"] == "ready"]
    assert ready
    for replica in ready:
        assert replica["gpu"]["uuid"] == T4
        assert replica["gpu_seen"]["multiprocessors"] == 20
    assert len(daemons()) == 1
    with InferenceClient(platform.manager_url, token=platform.token) as client:
        answer = client.infer("products", x=X)["y"]
    np.testing.assert_allclose(answer, np.full_like(X, X.mean()), atol=1e-5)
