"""What an Inference Server must know of a model: the value that goes from the format check to the server."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from seatrial.tensors import Signature

Format = Literal["onnx", "savedmodel", "tensorrt"]


class ServedModel(BaseModel):
    """Everything an Inference Server must know of a model; the same for an upload on trial and a version.

    `layers` maps the names that services use to the file's own tensor names, inputs and outputs together.
    `scalars` are the layers without any dimension in the file: services see one element, [1], since a tensor of the
    Open Inference Protocol has at least one dimension.
    `files` maps paths inside the model's folder to SHA-256 digests; `main_file` is the file or folder to load.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: int = Field(ge=1)
    format: Format
    main_file: str
    files: dict[str, str]
    signature: Signature
    layers: dict[str, str] = Field(default_factory=dict)
    scalars: tuple[str, ...] = ()
