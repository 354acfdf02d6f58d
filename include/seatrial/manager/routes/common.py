"""What every route file needs: the manager behind the request, and a version as the API shows it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from fastapi import Path as InPath
from pydantic import BaseModel, ConfigDict, Field

from seatrial.manager.composition import InferenceManager
from seatrial.registry.entities import ModelVersion, Stage
from seatrial.registry.rules import Ledger, stages


async def _manager(request: Request) -> InferenceManager:
    found: InferenceManager = request.app.state.manager
    return found


Manager = Annotated[InferenceManager, Depends(_manager)]


PLAIN = r"^[^\x00-\x08\x0b-\x1f]*$"  # no control characters but tab and newline
HIGHEST_ID, HIGHEST_VERSION = 2**63 - 1, 2**31 - 1

ModelName = Annotated[str, InPath(max_length=63, description="A registered model's name.", examples=["pitch"])]
ModelId = Annotated[int, InPath(ge=1, le=HIGHEST_ID, description="A version's registry-wide id.", examples=[7])]
VersionNumber = Annotated[int, Field(ge=1, le=HIGHEST_VERSION, description="1, 2, 3 … a model.", examples=[2])]
Environment = Annotated[
    str, Field(pattern=r"^[a-z0-9][a-z0-9_./-]{0,126}$", description="A serving target.", examples=["local"])
]
UploadName = Annotated[
    str,
    Field(
        max_length=4096,
        pattern=PLAIN,
        description="A folder below an upload root of the manager's: an absolute path, or its URL on HDFS.",
        examples=["/srv/uploads/pitch-2", "hdfs://namenode:9870/uploads/pitch-2"],
    ),
]
Word = Annotated[str, Field(max_length=255, pattern=PLAIN)]
RunId = Annotated[str, Field(max_length=255, pattern=PLAIN, description="Airflow run.", examples=["upload__87abf9"])]
Sentence = Annotated[str, Field(max_length=2000, pattern=PLAIN)]


class Body(BaseModel):
    """A request body; unknown fields and numbers that are not finite are refused."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Answer(BaseModel):
    """What a route answers with."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class VersionDocument(ModelVersion):
    """A version with its stage in each environment that ever saw it."""

    stages: dict[str, Stage]


def version_document(manager: InferenceManager, version: ModelVersion, moves: Ledger | None = None) -> VersionDocument:
    """`moves` is the ledger of the version's model, if it was read before."""
    folded = stages(manager.registry.ledger(version.model) if moves is None else moves)
    here = {environment: stage for (environment, number), stage in folded.items() if number == version.version}
    return VersionDocument.model_construct(**dict(version), stages=here)
