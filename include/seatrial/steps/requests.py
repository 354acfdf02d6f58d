"""Requests to send to a version: captured live ones, and the upload's samples."""

from __future__ import annotations

from typing import Any

from seatrial.errors import Refused
from seatrial.served_model import ServedModel
from seatrial.shadow.replay import Request
from seatrial.steps.run import Run
from seatrial.tensors import Array, from_npz
from seatrial.uploads.samples import sample_inputs


def captures_of(run: Run, model: str, served: ServedModel, limit: int, looked_at: set[str]) -> list[Request]:
    """The newest captured live requests that were not looked at before and fit the candidate's inputs."""
    names = {spec.name for spec in served.signature.inputs}
    found = []
    for capture in run.api.captures(model, limit):
        if capture["id"] not in looked_at:
            looked_at.add(capture["id"])
            inputs = from_npz(run.api.capture(model, capture["id"]))
            if set(inputs) == names:
                found.append(Request(capture["id"], "capture", inputs))
    return found


def samples_of(run: Run, version: dict[str, Any], served: ServedModel) -> list[tuple[str, dict[str, Array]]]:
    """The upload's samples by name, without expected outputs. Raises Refused when there are none."""
    found = [
        (path, sample_inputs(path, run.api.file(version["model_id"], path), served))
        for path in version["manifest"]["samples"]
    ]
    if not found:
        raise Refused(f"{version['model']}@{version['version']} has no samples to replay", field="samples")
    return found
