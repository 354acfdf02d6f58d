"""What the registry keeps: frozen values that know nothing of ml-metadata, and travel as JSON as they are."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from seatrial.served_model import ServedModel

Stage = Literal["None", "Staging", "Production", "Archived", "Deleted"]
"""Deleted is no stage that a version is moved to: a ledger entry to it ends the version in every environment."""
Scalar = str | int | float | bool


class RegisteredModel(BaseModel):
    """A named model. It comes into being with its first version and never goes away."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    created_ms: int = Field(description="Milliseconds since 1970, by the clock of the store's writer.")


class ModelOverview(BaseModel):
    """A model as a list shows it. `versions` are all but the deleted ones; the stages are those of one environment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    created_ms: int
    production: int | None
    staging: int | None
    versions: int


class Deletion(BaseModel):
    """By whom, when and why a version was deleted: what its last ledger entry says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at_ms: int
    who: str = ""
    why: str = ""


class ModelVersion(BaseModel):
    """One immutable version of a model. `model_id` is unique in the whole registry, `version` counts 1, 2, 3 … a model.

    `served` holds the allocated version number. `manifest` is the upload's own document; the fields from `user` to
    `hyper_parameters` repeat parts of it, so that nobody must know its layout.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model_id: int
    model: str
    version: int = Field(ge=1)
    tree_digest: str = Field(description="SHA-256 of the canonical listing of the upload's files.")
    served: ServedModel
    manifest: dict[str, Any]
    user: str = ""
    description: str = ""
    tags: dict[str, str] = Field(default_factory=dict)
    metrics: dict[str, float] = Field(default_factory=dict)
    hyper_parameters: dict[str, Scalar] = Field(default_factory=dict)
    source: str = Field(default="", description="URI of the upload it came from; the upload may be gone.")
    run: str = Field(default="", description="Airflow run id that registered it.")
    created_ms: int
    uri: str = Field(description="sha256:<tree_digest>: the name of its files in the artifact store.")
    deleted: Deletion | None = Field(
        default=None, description="Set once it was deleted; its number is never given out again."
    )


class StageMove(BaseModel):
    """One entry of the stage ledger. Entries are never changed; `seq` counts 1, 2, 3 … a model, without holes.

    `displaced` is the version that this same entry sent from `to_stage` to Archived.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    seq: int = Field(ge=1)
    environment: str
    version: int
    from_stage: Stage
    to_stage: Stage
    displaced: int | None = None
    at_ms: int = Field(description="Milliseconds since 1970; never smaller than that of the entry before.")
    who: str = ""
    run: str = ""
    why: str = ""


class Evidence(BaseModel):
    """One document that a verdict rests on, written by one step of one run about one version."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: int
    model_id: int
    kind: str = Field(description="Name of the step, e.g. CheckFormat.")
    key: str = Field(description="Tells apart the documents of one step in one run, e.g. the hardware option.")
    run: str
    at_ms: int
    document: dict[str, Any]
