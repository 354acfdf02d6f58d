"""The manifest of an upload: `model.yaml`, what the researcher says of the model."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from seatrial.served_model import Format
from seatrial.storage.paths import path_flaw
from seatrial.uploads.comparison import (
    BETA,
    ERROR_EXCESS,
    PRODUCTION_SHARE,
    STABILITY,
    Atol,
    ComparisonClass,
    Output,
    Rtol,
)
from seatrial.uploads.fields import LONGEST_DESCRIPTION, LONGEST_KEY, LONGEST_VALUE, MOST, LayerName
from seatrial.uploads.manifest_refusals import refusal
from seatrial.uploads.names import VALID
from seatrial.uploads.yaml_guard import read_yaml_mapping

MANIFEST = "model.yaml"
RECORDED = 50
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
Line = Annotated[str, Field(max_length=LONGEST_VALUE), AfterValidator(_checked_line)]
Key = Annotated[str, Field(min_length=1, max_length=LONGEST_KEY), AfterValidator(_checked_line)]
TensorName = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(_checked_line)]

_STRICT = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Objective(BaseModel):
    """The latency to be kept: `percentile` of the requests within `latency_ms`, at `requests_per_s` if given."""

    model_config = _STRICT

    percentile: float = Field(
        default=99.0,
        ge=50,
        le=99.99,
        description="Share of the requests that must be within latency_ms.",
        json_schema_extra={"unit": "%"},
    )
    latency_ms: float = Field(
        gt=0,
        le=3_600_000,
        description="How long such a request may take, as its caller sees it.",
        json_schema_extra={"unit": "ms"},
    )
    requests_per_s: float | None = Field(
        default=None,
        gt=0,
        le=1e9,
        description="The load to be carried by all replicas.",
        json_schema_extra={"unit": "requests/s"},
    )
    arrivals: Literal["poisson", "constant", "recorded"] = Field(
        default="poisson",
        description="How requests arrive while capacity is measured: from independent callers, evenly, or as"
        " arrival_times_s says.",
    )
    arrival_times_s: list[float] = Field(
        default=[],
        max_length=2000,
        validate_default=True,
        description="Moments of recorded requests, rising; replayed again and again, as densely as the rate wants.",
        json_schema_extra={"unit": "s"},
    )

    @field_validator("arrival_times_s")
    @classmethod
    def _recorded(cls, times_s: list[float], info: ValidationInfo) -> list[float]:
        recorded = info.data.get("arrivals") == "recorded"
        if recorded != bool(times_s):
            raise ValueError("is needed with arrivals: recorded, and with no other")
        if recorded and len(times_s) < RECORDED:
            raise ValueError(f"has {len(times_s)} moments, which repeat too soon (limit: {RECORDED} at least)")
        if any(later < earlier for earlier, later in pairwise(times_s)) or times_s[:1] == times_s[-1:] != []:
            raise ValueError("does not rise")
        return times_s


class Comparison(BaseModel):
    """What "the same answers" means for this model: the class gives the tolerances unless rtol and atol are given."""

    model_config = _STRICT

    comparison_class: ComparisonClass | None = Field(
        default=None,
        description="How this version relates to the one in Production: the same graph and weights, computed in FP32,"
        " FP16 or BF16; quantised, or trained anew (rtol, or outputs, are then needed). Without it, by what changed.",
    )
    outputs: dict[LayerName, Output] = Field(
        default={},
        max_length=100,
        description="Outputs by name, and what counts of each: `kind` values, label, ranking, embedding, boxes or text."
        " Numbers where nothing is said.",
    )
    rtol: Rtol = None
    atol: Atol = None
    latency_ratio: float = Field(
        default=1.10, ge=1, le=100, description="So many times Production's latency is allowed, at p50 and p95."
    )
    min_requests: int = Field(
        default=200,
        ge=20,
        le=5000,
        description="No verdict from fewer compared requests.",
        json_schema_extra={"unit": "requests"},
    )
    max_requests: int = Field(
        default=5000,
        ge=20,
        le=100_000,
        description="Undecided after that many.",
        json_schema_extra={"unit": "requests"},
    )
    p_good: float | None = Field(
        default=None,
        gt=0,
        lt=0.5,
        description="Share of answers that may differ, beyond Production's own noise; by class 0.001 or 0.01.",
    )
    p_bad: float | None = Field(
        default=None, gt=0, lt=0.5, description="Share from which a version is refused; by class 0.01 or 0.03."
    )
    alpha: float = Field(default=0.05, gt=0, lt=0.5, description="Chance to refuse a version at p_good.")
    beta: float = Field(default=BETA, gt=0, lt=0.5, description="Chance to accept a version at p_bad.")
    stability: float = Field(
        default=STABILITY,
        gt=0,
        le=100,
        description="Population stability index up to which an output's values keep their distribution.",
    )
    error_excess: float = Field(
        default=ERROR_EXCESS,
        ge=0,
        lt=1,
        description="Share of requests that may fail beyond those that fail in Production.",
    )
    error_bad: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="Share of failing requests, beyond Production's, that is found out with chance 1 - beta; five times"
        " error_excess where nothing is said, and at least 0.005.",
    )
    live_share: float = Field(
        default=0.0, ge=0, le=1, description="Share of min_requests that must be different captured live requests."
    )
    production_share: float = Field(
        default=PRODUCTION_SHARE,
        gt=0,
        le=1,
        description="Share of the time of one of Production's servers that the comparison may take.",
    )
    new_signature: bool = Field(
        default=False,
        description="The layers are others than those in Production, and that is wanted: services must change how they"
        " call. It is compared as a first version is.",
    )
    traffic_wait_s: float = Field(
        default=300.0,
        ge=0,
        le=604_800,
        description="How long an undecided verdict waits for live traffic; no worker is held meanwhile.",
        json_schema_extra={"unit": "s"},
    )

    @model_validator(mode="after")
    def _ordered(self) -> Comparison:
        if self.min_requests > self.max_requests:
            raise ValueError(f"min_requests {self.min_requests} passes max_requests {self.max_requests}")
        if self.p_good is not None and self.p_bad is not None and self.p_good >= self.p_bad:
            raise ValueError(f"p_good {self.p_good:g} must be below p_bad {self.p_bad:g}")
        if self.error_bad is not None and self.error_excess >= self.error_bad:
            raise ValueError(f"error_excess {self.error_excess:g} must be below error_bad {self.error_bad:g}")
        return self


class Capture(BaseModel):
    """Which share of live requests may be kept for replay. Off by default: requests can hold personal data."""

    model_config = _STRICT

    share: float = Field(default=0.0, ge=0, le=1, description="Share of the requests that is kept; 0 keeps none.")
    per_minute: int = Field(
        default=600,
        ge=0,
        le=100_000,
        description="At most so many, from one client.",
        json_schema_extra={"unit": "requests/min"},
    )
    largest_bytes: int = Field(
        default=CAPTURED_BYTES,
        ge=0,
        le=CAPTURED_BYTES,
        description="Larger requests are not kept.",
        json_schema_extra={"unit": "bytes"},
    )
    without: list[Line] = Field(
        default=[],
        max_length=64,
        description="Layers that are left out of what is kept, and refused by the manager; the first sample's stand for"
        " them when such a request is replayed.",
    )


class Rollover(BaseModel):
    """For this version, instead of the manager's settings: how long the version before stays ready for a rollback, and
    how long this one is watched, after its promotion."""

    model_config = _STRICT

    keep_warm_s: float | None = Field(
        default=None,
        ge=0,
        le=86_400,
        description="So long the version before stays ready.",
        json_schema_extra={"unit": "s"},
    )
    watch_s: float | None = Field(
        default=None,
        ge=0,
        le=86_400,
        description="So long a breach of the promise rolls back by itself.",
        json_schema_extra={"unit": "s"},
    )


class Engine(BaseModel):
    """How a TensorRT plan was built, which its header does not say. Such a plan is tried by loading it."""

    model_config = _STRICT

    hardware_compatible: bool = Field(default=False, description="Built for other GPUs too, of Ampere and later.")
    version_compatible: bool = Field(default=False, description="Built for later releases of its TensorRT major too.")


class Manifest(BaseModel):
    """Everything in `model.yaml`. Unknown entries are refused, so a misspelt limit cannot be silently ignored."""

    model_config = _STRICT

    name: str = Field(
        pattern=f"^{VALID}$",
        description="The model's name, by which services call it. The versions of one model share it.",
    )
    format: Format = Field(description="What kind of file the model is.")
    model_file: RelativePath = Field(
        default_factory=lambda known: DEFAULT_FILES[known["format"]],
        description="The .onnx or .plan file, or the SavedModel's folder, relative to the upload. Default, by format: "
        + ", ".join(DEFAULT_FILES.values())
        + ".",
    )
    description: Annotated[str, Field(max_length=LONGEST_DESCRIPTION), AfterValidator(_checked_text)] = Field(
        default="", description="For people: what it does, what is new."
    )
    user: Line = Field(default="", description="Who made it.")
    tags: dict[Key, Line] = Field(
        default_factory=dict, max_length=MOST["tags"], description="Free words about the version, to be searched for."
    )
    metrics: dict[Key, float] = Field(
        default_factory=dict, max_length=MOST["metrics"], description="What was measured in training or evaluation."
    )
    hyper_parameters: dict[Key, Line | int | float | bool] = Field(
        default_factory=dict, max_length=MOST["hyper_parameters"], description="How it was trained."
    )
    layers: dict[LayerName, TensorName] = Field(
        default_factory=dict,
        max_length=1000,
        description="The names that services use, each with the file's own tensor name. A tensor that is not named"
        " keeps its own name.",
    )
    objective: Objective
    comparison: Comparison = Comparison()
    samples: tuple[RelativePath, ...] = Field(
        min_length=1,
        max_length=1000,
        strict=False,
        description="Requests that the model must answer: .npz files with an array for each input by layer name, and"
        " `expected.<layer>` for an output that is known; or .json files as MLflow writes input examples.",
    )
    capture: Capture = Capture()
    rollover: Rollover = Rollover()
    engine: Engine = Engine()

    @field_validator("samples")
    @classmethod
    def _sample_files(cls, samples: tuple[str, ...]) -> tuple[str, ...]:
        for sample in samples:
            if not sample.endswith((".npz", ".json")):
                raise ValueError(f"{sample!r} is not an .npz file, and no .json file as MLflow writes input examples")
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


def manifest_of(data: bytes) -> Manifest:
    """The manifest that the bytes of a `model.yaml` say. Raises UploadRefused naming the first entry that is wrong."""
    return parse_manifest(read_yaml_mapping(data, MANIFEST))


def parse_manifest(document: dict[str, Any], file: str = MANIFEST) -> Manifest:
    """The manifest that a document stands for. Raises UploadRefused naming `file` and the first entry that is wrong."""
    try:
        return Manifest.model_validate(document)
    except ValidationError as error:
        found = error.errors(include_url=False)
        # A misspelt entry is both unknown and missing: the unknown one tells the researcher more.
        first = next((flaw for flaw in found if flaw["type"] == "extra_forbidden"), found[0])
        raise refusal(first, Manifest, file) from error
