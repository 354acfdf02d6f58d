"""GET /v1/health: is the manager there, and what machine is under it."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Literal

from fastapi import APIRouter
from pydantic import Field

from seatrial import __version__
from seatrial.hardware import HardwareOption
from seatrial.manager.guard import GuardedRoute
from seatrial.manager.routes.common import Answer, Manager

router = APIRouter(tags=["health"], route_class=GuardedRoute)


class Machine(Answer):
    name: str
    cores: int
    processor: str


class LargestUpload(Answer):
    files: int = Field(description="Files and folders.")
    bytes: int = Field(description="Of all files together.")


class Health(Answer):
    status: Literal["ok"]
    version: str
    pid: int
    home: str = Field(description="The manager's folder, on its own machine.")
    machine: Machine
    inference_server: str = Field(description="Which programs compute: measurements of others do not count for them.")
    options: tuple[HardwareOption, ...]
    other_work_cores: float | None = Field(
        description="CPU cores of a server's that other work may use while it is measured; null: any."
    )
    largest_upload: LargestUpload


@router.get("/health")
def health(manager: Manager) -> Health:
    return Health(
        status="ok",
        version=__version__,
        pid=os.getpid(),
        home=str(manager.settings.home),
        machine=Machine.model_validate(manager.machine),
        inference_server=manager.inference_server,
        options=manager.options,
        other_work_cores=manager.settings.other_work_cores,
        largest_upload=LargestUpload(**asdict(manager.settings.largest_upload)),
    )
