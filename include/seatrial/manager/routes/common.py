"""What every route file needs: the manager behind the request, and a version as the API shows it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, Request
from pydantic import BaseModel, ConfigDict

from seatrial.errors import Refused
from seatrial.manager.composition import InferenceManager
from seatrial.registry.entities import ModelVersion
from seatrial.registry.rules import Ledger, stages


def _manager(request: Request) -> InferenceManager:
    found: InferenceManager = request.app.state.manager
    return found


Manager = Annotated[InferenceManager, Depends(_manager)]


class Body(BaseModel):
    """A request body; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


def upload_folder(manager: InferenceManager, upload: str) -> Path:
    """The folder of an upload. Refused outside the upload root: no caller may make the manager read other folders."""
    folder, root = Path(upload).resolve(), manager.settings.uploads.resolve()
    if root not in folder.parents:
        raise Refused(f"{upload} is not below the upload root {root}", field="upload", value=upload, limit=str(root))
    return folder


def version_document(manager: InferenceManager, version: ModelVersion, moves: Ledger | None = None) -> dict[str, Any]:
    """A version with its stage in each environment that ever saw it. `moves` is its model's ledger, if read before."""
    folded = stages(manager.registry.ledger(version.model) if moves is None else moves)
    return {
        **version.model_dump(mode="json"),
        "stages": {environment: stage for (environment, number), stage in folded.items() if number == version.version},
    }
