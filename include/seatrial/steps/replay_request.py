"""One request of a shadow report, sent again: what each side answers, and where the answers part."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from seatrial.client.transport import GrpcTransport
from seatrial.errors import NotDeployed, NotFound, Refused
from seatrial.hardware import HardwareOption
from seatrial.served_model import ServedModel
from seatrial.shadow.comparison import compare_tensors
from seatrial.shadow.finding import TensorComparison
from seatrial.shadow.report import ShadowReport
from seatrial.steps.reference import runtime_answers
from seatrial.steps.requests import completed, samples_of, stand_ins_of
from seatrial.steps.run import Run
from seatrial.steps.trial import trial_server
from seatrial.tensors import Tensors, from_npz

TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Replayed:
    """`against` is the Production version's name, or the runtime's."""

    request: str
    against: str
    inputs: Tensors
    expected: Tensors
    got: Tensors
    found: tuple[TensorComparison, ...]


def replay_request(run: Run, version: dict[str, Any], report: ShadowReport, number: int) -> Replayed:
    """Send the `number`th request of `report` to both versions that it compared, and compare with its limits.

    A version without a server in any stage, as one that failed, gets a throw-away one. Raises NotFound for a number
    that was not sent, and for a captured request that has expired.
    """
    request = _request(report, number)
    served = ServedModel.model_validate(version["served"])
    inputs = _inputs(run, version, served, request, report.requests.sources[request])
    if report.production is None:
        against = str(report.reference)
        (expected,) = runtime_answers(run, version["model_id"], served, [inputs])
    else:
        production = run.api.model_version(version["model"], report.production)
        against = f"{production['model']}@{production['version']}"
        expected = _answer(run, production, inputs)
    got = _answer(run, version, inputs)
    return Replayed(request, against, inputs, expected, got, compare_tensors(expected, got, report.limits))


def _request(report: ShadowReport, number: int) -> str:
    which = report.requests.which
    if not 1 <= number <= len(which):
        raise NotFound(f"request {number}: the report has 1 to {len(which)}", request=number)
    return list(report.requests.sources)[which[number - 1]]


def _inputs(run: Run, version: dict[str, Any], served: ServedModel, request: str, source: str) -> Tensors:
    if source == "capture":
        kept = from_npz(run.api.capture(version["model"], request))
        return completed(kept, served, stand_ins_of(run, version, served)) or kept
    return dict(samples_of(run, version, served))[request]


def _answer(run: Run, version: dict[str, Any], inputs: Tensors) -> Tensors:
    name, number = version["model"], version["version"]
    with _address(run, version) as address, GrpcTransport() as transport:
        return transport.infer(address, name, number, inputs, TIMEOUT_S)


@contextmanager
def _address(run: Run, version: dict[str, Any]) -> Iterator[str]:
    ready = _deployed(run, version["model_id"])
    if ready is not None:
        yield ready
        return
    served = ServedModel.model_validate(version["served"])
    run.progress(f"{served.name}@{served.version} has no server: one is started")
    options = [HardwareOption.model_validate(option) for option in run.api.health()["options"]]
    option = min(options, key=lambda option: (option.max_batch, option.price), default=None)
    if option is None:
        raise Refused("this machine has no hardware option to start a server on", field="options")
    purpose = f"replay of {served.name}@{served.version}"
    with trial_server(run, served, option, purpose=purpose, model_id=version["model_id"]) as replica:
        assert replica.grpc_address is not None
        yield replica.grpc_address


def _deployed(run: Run, model_id: int) -> str | None:
    try:
        replicas = run.api.deployment(model_id)["replicas"]
    except (NotDeployed, NotFound):
        return None
    return next((str(one["grpc_address"]) for one in replicas if one["state"] == "ready"), None)
