"""A version that serves: an upload registered, deployed on one core and moved to a stage."""

from __future__ import annotations

from pathlib import Path

from seatrial.client.manager_api import ManagerAPI
from seatrial.formats.check import check_upload
from seatrial.waiting import Deadline, wait_until

OPTION = {"name": "cpu-1x1", "cores": 1, "threads": 1}


def serve(api: ManagerAPI, upload: Path, *stages: str, replicas: int = 1) -> int:
    """Its model id, once so many servers of it are ready and it has passed through `stages` (default: to Production).

    `upload` must lie below the manager's upload folder.
    """
    report = check_upload(upload).model_dump(mode="json")
    version = api.register(report["served"]["name"], upload=str(upload), report=report, run="test")["version"]
    model_id = int(version["model_id"])
    api.want_deployment(model_id, option=OPTION, replicas=replicas)
    wait_until(lambda: api.deployment(model_id)["state"] == "ready", Deadline.after(120), "the deployment is ready")
    for stage in stages or ("Staging", "Production"):
        api.move_stage(version["model"], version["version"], stage, who="a test", run="test", why="to be called")
    return model_id
