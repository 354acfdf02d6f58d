"""/v2: the Open Inference Protocol over HTTP, for trying a model out by its name. Services use the Inference Client."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from seatrial import __version__
from seatrial.errors import Refused
from seatrial.manager.answering import addresses, asked_for, running_versions
from seatrial.manager.composition import InferenceManager
from seatrial.manager.guard import GuardedRoute
from seatrial.manager.inference_documents import (
    BODY,
    InferAnswer,
    Layer,
    Live,
    Metadata,
    ModelReady,
    Ready,
    Server,
)
from seatrial.manager.inference_requests import LENGTH, read_request, write_answer
from seatrial.manager.roles import OPEN_INFERENCE
from seatrial.manager.routes.common import Manager, ModelName, VersionNumber
from seatrial.registry.entities import ModelVersion
from seatrial.tensors import TensorSpec

router = APIRouter(tags=["open inference protocol"], route_class=GuardedRoute, prefix=OPEN_INFERENCE)


@router.get("")
def server() -> Server:
    """What answers here."""
    return Server(name="seatrial", version=__version__, extensions=("binary_tensor_data",))


@router.get("/health/live")
def live() -> Live:
    return Live(live=True)


@router.get("/health/ready")
def ready() -> Ready:
    """Whether the manager answers. A model has its own `ready`."""
    return Ready(ready=True)


@router.get("/models/{model}")
def production_metadata(model: ModelName, manager: Manager) -> Metadata:
    """The layers of the version in Production."""
    return _metadata(manager, asked_for(manager, model, None))


@router.get("/models/{model}/versions/{number}")
def metadata(model: ModelName, number: VersionNumber, manager: Manager) -> Metadata:
    return _metadata(manager, asked_for(manager, model, number))


@router.get("/models/{model}/ready")
def production_ready(model: ModelName, manager: Manager) -> ModelReady:
    """404 where no server answers for the version in Production."""
    return _ready(manager, asked_for(manager, model, None))


@router.get("/models/{model}/versions/{number}/ready")
def model_ready(model: ModelName, number: VersionNumber, manager: Manager) -> ModelReady:
    return _ready(manager, asked_for(manager, model, number))


@router.post("/models/{model}/infer", response_model=InferAnswer, openapi_extra=BODY)
async def production_infer(model: ModelName, request: Request, manager: Manager) -> Response:
    """Have the version in Production answer, by way of the manager: for trying out, few at a time, up to 64 MiB."""
    return await _infer(manager, request, model)


@router.post("/models/{model}/versions/{number}/infer", response_model=InferAnswer, openapi_extra=BODY)
async def infer(model: ModelName, number: VersionNumber, request: Request, manager: Manager) -> Response:
    """As above, of one version: of the one in Staging, too."""
    return await _infer(manager, request, model, number)


async def _infer(manager: InferenceManager, request: Request, model: str, number: int | None = None) -> Response:
    encoding = request.headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise Refused(f"Content-Encoding: {encoding[:40]!r} is not read here (limit: identity)", field="body")
    body = await request.body()
    return await run_in_threadpool(_answer, manager, model, number, body, request.headers.get(LENGTH))


def _answer(manager: InferenceManager, model: str, number: int | None, body: bytes, length: str | None) -> Response:
    version = asked_for(manager, model, number)
    servers = addresses(manager, version)
    question = read_request(body, length, version.served.signature)
    outputs = manager.relay.infer(servers, version.model, version.version, question.tensors)
    content, headers = write_answer(question, outputs, version.model, version.version)
    return Response(content, headers=headers)


def _ready(manager: InferenceManager, version: ModelVersion) -> ModelReady:
    addresses(manager, version)
    return ModelReady(name=version.model, ready=True)


def _metadata(manager: InferenceManager, version: ModelVersion) -> Metadata:
    served = version.served
    return Metadata(
        name=version.model,
        versions=tuple(map(str, running_versions(manager, version.model))),
        platform=served.format,
        inputs=tuple(map(_layer, served.signature.inputs)),
        outputs=tuple(map(_layer, served.signature.outputs)),
    )


def _layer(spec: TensorSpec) -> Layer:
    return Layer(name=spec.name, datatype=spec.dtype, shape=spec.shape)
