"""The manifest of an upload: `model.yaml`, what the researcher says of the model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from seatrial.errors import UploadRefused
from seatrial.served_model import Format
from seatrial.storage.paths import open_beneath, path_flaw
from seatrial.uploads.yaml_guard import LONGEST_FILE, read_yaml_mapping

MANIFEST = "model.yaml"
CAPTURED_BYTES = 64 * 2**20
DEFAULT_FILES: dict[Format, str] = {"onnx": "model.onnx", "savedmodel": "saved_model", "tensorrt": "model.plan"}


def _checked_path(path: str) -> str:
    flaw = path_flaw(path)
    if flaw:
        raise ValueError(flaw)
    return path


def _checked_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("holds a line break or a control character")
    return text


def _checked_text(text: str) -> str:
    if not text.replace("\n", "").replace("\t", "").isprintable():
        raise ValueError("holds a control character")
    return text


RelativePath = Annotated[str, AfterValidator(_checked_path)]
Line = Annotated[str, Field(max_length=500), AfterValidator(_checked_line)]
Key = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_checked_line)]
LayerName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.:/-]{0,127}$")]
TensorName = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(_checked_line)]

_STRICT = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Objective(BaseModel):
    """The latency to be kept: `percentile` of the requests within `latency_ms`, at `requests_per_s` if given."""

    model_config = _STRICT

    percentile: float = Field(default=99.0, ge=50, le=99.99)
    latency_ms: float = Field(gt=0, le=3_600_000)
    requests_per_s: float | None = Field(
        default=None, gt=0, le=1e9, description="The load to be carried by all replicas."
    )


class Comparison(BaseModel):
    """What "the same answers" means for this model: the class gives the tolerances unless rtol and atol are given."""

    model_config = _STRICT

    comparison_class: Literal["same-graph-fp32", "same-graph-fp16", "retrained"] = "same-graph-fp32"
    rtol: float | None = Field(default=None, ge=0, le=1e6)
    atol: float | None = Field(default=None, ge=0)
    latency_ratio: float = Field(
        default=1.10, ge=1, le=100, description="How much slower than Production the version may be, at p50 and p95."
    )
    min_requests: int = Field(default=200, ge=20, le=5000, description="No verdict from fewer compared requests.")
    live_share: float = Field(
        default=0.0, ge=0, le=1, description="Share of min_requests that must be different captured live requests."
    )
    traffic_wait_s: float = Field(
        default=300.0,
        ge=0,
        le=600,
        description="How long an undecided verdict waits for more live traffic, in seconds.",
    )


class Capture(BaseModel):
    """Which share of live requests may be kept for replay. Off by default: requests can hold personal data."""

    model_config = _STRICT

    share: float = Field(default=0.0, ge=0, le=1)
    per_minute: int = Field(default=600, ge=0, le=100_000)
    largest_bytes: int = Field(
        default=CAPTURED_BYTES, ge=0, le=CAPTURED_BYTES, description="Requests of more bytes are not kept."
    )
    without: list[Line] = Field(
        default=[],
        max_length=64,
        description="Layers that are left out of what is kept; such a request is not replayed.",
    )


class Rollover(BaseModel):
    """For this version, instead of the manager's settings: how long the version before stays ready for a rollback, and
    how long this one is watched, in seconds after its promotion."""

    model_config = _STRICT

    keep_warm_s: float | None = Field(default=None, ge=0, le=86_400)
    watch_s: float | None = Field(default=None, ge=0, le=86_400)


class Engine(BaseModel):
    """How a TensorRT plan was built, which its header does not say. Such a plan is tried by loading it."""

    model_config = _STRICT

    hardware_compatible: bool = Field(default=False, description="Built for other GPUs too, of Ampere and later.")
    version_compatible: bool = Field(default=False, description="Built for later releases of its TensorRT major too.")


class Manifest(BaseModel):
    """Everything in `model.yaml`. Unknown entries are refused, so a misspelt limit cannot be silently ignored.

    `model_file` is the .onnx or .plan file or the SavedModel folder, relative to the upload. `layers` maps the names
    that services use to the file's own tensor names; a tensor that is not named keeps its own name.
    """

    model_config = _STRICT

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")
    format: Format
    model_file: RelativePath
    description: Annotated[str, Field(max_length=10_000), AfterValidator(_checked_text)] = ""
    user: Line = ""
    tags: dict[Key, Line] = Field(default_factory=dict, max_length=200)
    metrics: dict[Key, float] = Field(default_factory=dict, max_length=200)
    hyper_parameters: dict[Key, Line | int | float | bool] = Field(default_factory=dict, max_length=500)
    layers: dict[LayerName, TensorName] = Field(default_factory=dict, max_length=1000)
    objective: Objective
    comparison: Comparison = Comparison()
    samples: tuple[RelativePath, ...] = Field(min_length=1, max_length=1000, strict=False)
    capture: Capture = Capture()
    rollover: Rollover = Rollover()
    engine: Engine = Engine()

    @model_validator(mode="before")
    @classmethod
    def _default_file(cls, document: Any) -> Any:
        if isinstance(document, dict) and "model_file" not in document and document.get("format") in _FORMAT_NAMES:
            return {**document, "model_file": DEFAULT_FILES[document["format"]]}
        return document

    @field_validator("samples")
    @classmethod
    def _npz_files(cls, samples: tuple[str, ...]) -> tuple[str, ...]:
        for sample in samples:
            if not sample.endswith(".npz"):
                raise ValueError(f"{sample!r} is not an .npz file")
        if len(set(samples)) != len(samples):
            raise ValueError("names a file twice")
        return samples

    @field_validator("layers")
    @classmethod
    def _one_name_each(cls, layers: dict[str, str]) -> dict[str, str]:
        for name in layers:
            if name.startswith("expected."):
                raise ValueError(f"{name!r} starts with 'expected.', which marks expected outputs in samples")
        if len(set(layers.values())) != len(layers):
            raise ValueError("gives two names to one tensor")
        return layers


_FORMAT_NAMES = tuple(DEFAULT_FILES)


def read_manifest(folder: Path) -> Manifest:
    """The manifest of the upload in `folder`. Raises UploadRefused naming the first entry that is wrong."""
    try:
        with open_beneath(folder, MANIFEST) as file:
            data = file.read(LONGEST_FILE + 1)
    except FileNotFoundError as error:
        raise UploadRefused("is missing: an upload needs a manifest", file=MANIFEST) from error
    except OSError as error:
        raise UploadRefused(f"cannot be read: {error.strerror or error}", file=MANIFEST) from error
    return manifest_of(data)


def manifest_of(data: bytes) -> Manifest:
    """The manifest that the bytes of a `model.yaml` say. Raises UploadRefused naming the first entry that is wrong."""
    return parse_manifest(read_yaml_mapping(data, MANIFEST))


def parse_manifest(document: dict[str, Any]) -> Manifest:
    """The manifest that a document stands for. Raises UploadRefused naming the first entry that is wrong."""
    try:
        return Manifest.model_validate(document)
    except ValidationError as error:
        found = error.errors(include_url=False)
        # A misspelt entry is both unknown and missing: the unknown one tells the researcher more.
        first = next((flaw for flaw in found if flaw["type"] == "extra_forbidden"), found[0])
        raise _refusal(first) from error


def _refusal(error: ErrorDetails) -> UploadRefused:
    """pydantic's error as one line. `ctx` holds the limit that was broken under the constraint's own name."""
    path = _entry(error)
    field = ".".join(path)
    context = error.get("ctx", {})
    if error["type"] == "missing":
        return UploadRefused("is missing", file=MANIFEST, field=field, limit="required")
    if error["type"] == "extra_forbidden":
        part = _PARTS.get(path[0], Manifest) if len(path) > 1 else Manifest
        known = ", ".join(part.model_fields)
        return UploadRefused("is not an entry of a manifest", file=MANIFEST, field=field, limit=known)
    value = error["input"]
    if error["type"] == "value_error":
        return UploadRefused(str(context["error"]), file=MANIFEST, field=field, value=value)
    for name, (reason, words) in _LIMITS.items():
        if name in context:
            limit = words.format(context[name])
            return UploadRefused(reason, file=MANIFEST, field=field, value=value, limit=limit)
    wanted = _TYPES.get(error["type"], error["msg"].removeprefix("Input should be "))
    return UploadRefused("is not accepted", file=MANIFEST, field=field, value=value, limit=wanted)


def _entry(error: ErrorDetails) -> list[str]:
    """The path to the entry that is wrong, printable, without the names that pydantic gives to branches of a union."""
    path = [str(part)[:100] for part in error["loc"]]
    kept = path[:2] if path[0] == "hyper_parameters" else [part for part in path if part != "[key]"]
    return [part if part.isprintable() else ascii(part) for part in kept]


_PARTS: dict[str, type[BaseModel]] = {
    "objective": Objective,
    "comparison": Comparison,
    "capture": Capture,
    "rollover": Rollover,
    "engine": Engine,
}
_TYPES = {"model_type": "a mapping", "dict_type": "a mapping", "tuple_type": "a list", "invalid_key": "a text as name"}
_LIMITS = {
    "expected": ("is not a known choice", "{}"),
    "pattern": ("does not match the pattern", "{}"),
    "gt": ("is too small", "more than {:g}"),
    "ge": ("is too small", "at least {:g}"),
    "le": ("is too large", "at most {:g}"),
    "min_length": ("is too short", "at least {} long"),
    "max_length": ("is too long", "at most {} long"),
}
