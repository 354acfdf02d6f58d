"""GET /v1/health: is the manager there, and what machine is under it."""

from __future__ import annotations

import os
from typing import Any

from fastapi import APIRouter

from seatrial import __version__
from seatrial.manager.guard import GuardedRoute
from seatrial.manager.routes.common import Manager

router = APIRouter(tags=["health"], route_class=GuardedRoute)


@router.get("/health")
def health(manager: Manager) -> dict[str, Any]:
    return {
        "status": "ok",
        "version": __version__,
        "pid": os.getpid(),
        "home": str(manager.settings.home),
        "machine": manager.machine,
        "options": [option.model_dump(mode="json") for option in manager.options],
    }
