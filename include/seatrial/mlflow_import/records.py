"""What MLflow says of one version, as `reader.py` writes it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class VersionRecord(BaseModel):
    """`files` are paths below the model's folder; `mlmodel` is the part of MLmodel that matters here.

    `flaw` says why the files could not be listed; empty when they could.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    model: str
    version: int
    aliases: tuple[str, ...] = ()
    stage: str = "None"
    description: str = ""
    tags: dict[str, str] = {}
    run_id: str = ""
    run_tags: dict[str, str] = {}
    user: str = ""
    metrics: dict[str, float] = {}
    params: dict[str, str] = {}
    files: tuple[str, ...] = ()
    mlmodel: dict[str, Any] = {}
    flaw: str = ""
