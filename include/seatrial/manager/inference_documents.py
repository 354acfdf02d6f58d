"""The Open Inference Protocol's JSON documents, field by field. What a document does not have here is refused."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(max_length=255)]
Shape = Annotated[list[Annotated[int, Field(ge=0, lt=2**31)]], Field(max_length=32)]
Free = Annotated[tuple[int, ...], Field(description="-1: any size.")]


class Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class InputParameters(Document):
    binary_data_size: int | None = Field(default=None, ge=0, description="Bytes of this tensor behind the JSON.")


class InputTensor(Document):
    name: Name
    datatype: str = Field(max_length=16)
    shape: Shape
    parameters: InputParameters = InputParameters()
    data: list[Any] | None = Field(default=None, description="The values in row-major order, flat or nested.")


class OutputParameters(Document):
    binary_data: bool | None = None


class WantedOutput(Document):
    name: Name
    parameters: OutputParameters = OutputParameters()


class RequestParameters(Document):
    binary_data_output: bool = Field(default=False, description="Every output as bytes behind the JSON.")


class InferRequest(Document):
    """`outputs` empty: all of them."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}]}
        },
    )

    id: Name | None = None
    parameters: RequestParameters = RequestParameters()
    inputs: Annotated[list[InputTensor], Field(max_length=1000)]
    outputs: Annotated[list[WantedOutput], Field(max_length=1000)] = []


class OutputTensor(Document):
    """`data` is flat, and absent where `binary_data_size` bytes follow the JSON instead."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: list[Any] | None = None
    parameters: InputParameters | None = None


class InferAnswer(Document):
    model_name: str
    model_version: str
    id: str | None = None
    outputs: tuple[OutputTensor, ...]


class Server(Document):
    name: Literal["seatrial"]
    version: str
    extensions: tuple[str, ...]


class Live(Document):
    live: Literal[True]


class Ready(Document):
    ready: Literal[True]


class ModelReady(Ready):
    name: str


class Layer(Document):
    name: str
    datatype: str
    shape: Free


class Metadata(Document):
    name: str
    versions: tuple[str, ...] = Field(description="Those that answer now.")
    platform: str
    inputs: tuple[Layer, ...]
    outputs: tuple[Layer, ...]


_SCHEMAS = "#/components/schemas/{model}"
BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": _SCHEMAS.format(model=InferRequest.__name__)}},
            "application/octet-stream": {
                "schema": {"type": "string", "format": "binary"},
                "example": "JSON of Inference-Header-Content-Length bytes, then the tensors' bytes",
            },
        },
    }
}
"""The body of an infer request, for the OpenAPI document: the route reads it by itself."""


def request_schemas() -> dict[str, Any]:
    """By name the schemas that BODY refers to."""
    schema = InferRequest.model_json_schema(ref_template=_SCHEMAS)
    return {**schema.pop("$defs"), InferRequest.__name__: schema}
