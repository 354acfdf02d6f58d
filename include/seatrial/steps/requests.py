"""Requests to send to a version: captured live ones, and the upload's samples."""

from __future__ import annotations

from typing import Any

import numpy as np

from seatrial.errors import NotFound, Refused
from seatrial.served_model import ServedModel
from seatrial.shadow.sides import Request
from seatrial.steps.run import Run
from seatrial.tensors import Array, Tensors, from_npz
from seatrial.uploads.samples import sample_inputs

MOST_BYTES = 256 * 2**20  # of captured requests that a worker holds


def captures_of(
    run: Run, version: dict[str, Any], served: ServedModel, limit: int, looked_at: set[str]
) -> list[Request]:
    """The newest captured live requests that were not looked at before and fit the candidate's inputs, as `completed`
    makes them. One that has gone meanwhile, or whose file is damaged, is left out and said; those beyond MOST_BYTES are
    left out."""
    stand_ins = stand_ins_of(run, version, served)
    found: list[Request] = []
    held = 0
    for capture in run.api.captures(version["model"], limit):
        if capture["id"] in looked_at:
            continue
        looked_at.add(capture["id"])
        try:
            kept = from_npz(run.api.capture(version["model"], capture["id"]))
        except (NotFound, Refused) as error:
            run.progress(f"capture {capture['id']} is left out: {error}")
            continue
        held += sum(array.nbytes for array in kept.values())
        if held > MOST_BYTES:
            run.progress(f"{len(found)} captured requests are {MOST_BYTES // 2**20} MiB: no more are taken")
            return found
        inputs = completed(kept, served, stand_ins)
        if inputs is not None:
            found.append(Request(capture["id"], "capture", inputs))
    return found


def stand_ins_of(run: Run, version: dict[str, Any], served: ServedModel) -> Tensors:
    """What stands for the inputs that captures are kept without (the manifest's `capture.without`): a sample's."""
    without = version["manifest"].get("capture", {}).get("without", [])
    if not without:
        return {}
    _, sample = samples_of(run, version, served)[0]
    return {name: sample[name] for name in without if name in sample}


def completed(kept: Tensors, served: ServedModel, stand_ins: Tensors) -> Tensors | None:
    """A captured request with `stand_ins` for what it was kept without, in as many rows as the request has where rows
    are free. None where it does not fit the version's inputs."""
    specs = {spec.name: spec for spec in served.signature.inputs}
    missing = specs.keys() - kept.keys()
    if not kept.keys() <= specs.keys() or not missing <= stand_ins.keys():
        return None
    free = {name for name, spec in specs.items() if spec.shape[:1] == (-1,)}
    rows = {len(array) for name, array in kept.items() if name in free}
    found = dict(kept)
    for name in missing:
        array = stand_ins[name]
        found[name] = np.resize(array, (*rows, *array.shape[1:])) if name in free and len(rows) == 1 else array
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
