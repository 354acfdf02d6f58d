"""From MLflow's records to upload folders that do not exist yet (pure)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from pydantic import BaseModel, ConfigDict

from seatrial.errors import Refused
from seatrial.mlflow_import.names import model_names, stage_of
from seatrial.mlflow_import.records import VersionRecord
from seatrial.served_model import Format
from seatrial.storage.paths import path_flaw
from seatrial.uploads.fields import LONGEST_DESCRIPTION, LONGEST_VALUE, as_line, as_mapping, as_text, kept
from seatrial.uploads.mlflow import flavor_file

SAVED_MODEL = "saved_model.pb"
SLOWEST_MS = 3_600_000  # as in the manifest
NO_OBJECTIVE = "objective.latency_ms: MLflow does not know which latency is to be kept (--latency-ms gives one for all)"
NO_SAMPLE = "samples: no input_example was logged; name .npz files with one array for each input"
RETRAINED = "if it was retrained, comparison: {comparison_class: retrained, rtol: …}; else its answers must be the same"


class Import(BaseModel):
    """One version: a folder to be written, or why it is skipped.

    `copied` are the model's files in MLflow; `missing` is what a person has to fill in before the folder can be sent,
    `notes` what was left out or deserves a look. `stage` is what MLflow's alias or former stage means here, a tag of
    the upload: no version gets a stage that its own run did not earn.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    version: int
    model: str
    folder: str
    stage: str
    skipped: str = ""
    format: Format | None = None
    copied: tuple[str, ...] = ()
    example: str | None = None
    manifest: dict[str, Any] = {}
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def plan(
    records: Sequence[VersionRecord],
    *,
    names: Mapping[str, str] | None = None,
    aliases: Mapping[str, str] | None = None,
    latency_ms: float | None = None,
) -> list[Import]:
    """All versions by model, in the order of their numbers. Raises Refused when two models would have one name."""
    if latency_ms is not None and not 0 < latency_ms <= SLOWEST_MS:
        raise Refused(f"--latency-ms {latency_ms:g} is not above 0 and up to {SLOWEST_MS}", field="latency_ms")
    ours = model_names((record.model for record in records), names or {})
    ordered = sorted(records, key=lambda record: (ours[record.model], record.version))
    stages = [stage_of(record.aliases, record.stage, aliases or {}) for record in ordered]
    first = {record.model: record.version for record in reversed(ordered) if _model_file(record)}
    production = {
        record.model: record.version for record, stage in zip(ordered, stages, strict=True) if stage == "Production"
    }
    found = []
    for record, stage in zip(ordered, stages, strict=True):
        notes = [] if record.version == first.get(record.model) else [RETRAINED]
        live = production.get(record.model, record.version)
        if record.version > live:
            notes.append(f"its run takes it to Production, where MLflow has v{live}: send it when that is wanted")
        found.append(_import(record, ours[record.model], stage, notes, latency_ms))
    return found


def _import(record: VersionRecord, model: str, stage: str, notes: list[str], latency_ms: float | None) -> Import:
    folder = f"mlflow-{model}-v{record.version:04d}"
    base = Import(source=record.model, version=record.version, model=model, folder=folder, stage=stage)
    found = _model_file(record)
    if found is None:
        return base.model_copy(update={"skipped": _why_skipped(record)})
    model_format, model_file = found
    example = _example(record)
    manifest = {
        "name": model,
        "format": model_format,
        "model_file": model_file,
        "description": as_text(record.description)[:LONGEST_DESCRIPTION],
        "user": as_line(record.user)[:LONGEST_VALUE],
        "tags": kept("tags", _tags(record, stage), notes),
        "metrics": kept("metrics", {k: v for k, v in record.metrics.items() if math.isfinite(v)}, notes),
        "hyper_parameters": kept("hyper_parameters", {k: typed(v) for k, v in record.params.items()}, notes),
        **({} if latency_ms is None else {"objective": {"latency_ms": latency_ms}}),
    }
    lacking = [NO_OBJECTIVE] if latency_ms is None else []
    return base.model_copy(
        update={
            "format": model_format,
            "copied": _copied(record, model_format, model_file),
            "example": example,
            "manifest": {name: value for name, value in manifest.items() if value not in ("", {})},
            "missing": (*lacking, *([] if example else [NO_SAMPLE])),
            "notes": tuple(notes),
        }
    )


def typed(text: str) -> str | int | float | bool:
    """MLflow keeps parameters as text: a number or a truth value again where its text says exactly that.

    >>> typed("10"), typed("0.1"), typed("True"), typed("010"), typed("nan")
    (10, 0.1, True, '010', 'nan')
    """
    if text in ("True", "False"):
        return text == "True"
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        if str(value) == text and math.isfinite(value) and abs(value) < 2**63:
            return value
    return text


def _model_file(record: VersionRecord) -> tuple[Format, str] | None:
    """Its format with the ONNX file or the SavedModel folder, or None when it is neither.

    A SavedModel that no flavor names is taken when it is the only one: Keras has had other layouts.
    """
    said_format, said = flavor_file(record.mlmodel) or (None, "")
    if said_format == "onnx" and said in record.files and not path_flaw(said):
        return "onnx", said
    folders = [str(PurePosixPath(path).parent) for path in record.files if PurePosixPath(path).name == SAVED_MODEL]
    folder = said if said in folders else folders[0] if len(folders) == 1 else "."
    return None if folder == "." or path_flaw(folder) else ("savedmodel", folder)


def _why_skipped(record: VersionRecord) -> str:
    if record.flaw:
        return f"its files cannot be read: {record.flaw}"
    flavors = ", ".join(sorted(as_mapping(record.mlmodel.get("flavors")))) or "no flavor"
    return f"{flavors}: neither ONNX nor a SavedModel; export it as one of them and upload that"


def _copied(record: VersionRecord, model_format: Format, model_file: str) -> tuple[str, ...]:
    """A SavedModel's folder; an ONNX file with what lies beside it and may be its weights: no text, no pickle."""
    if model_format == "savedmodel":
        return tuple(path for path in record.files if path.startswith(f"{model_file}/"))
    home = PurePosixPath(model_file).parent
    beside = [path for path in record.files if PurePosixPath(path).parent == home]
    described = (".json", ".yaml", ".yml", ".txt", ".md", ".py", ".pkl", ".pickle")
    weights = [path for path in beside if not path.endswith(described) and PurePosixPath(path).name != "MLmodel"]
    return tuple(sorted({model_file, *weights}))


def _example(record: VersionRecord) -> str | None:
    path = as_mapping(record.mlmodel.get("saved_input_example_info")).get("artifact_path")
    return path if isinstance(path, str) and path in record.files and not path_flaw(path) else None


def _tags(record: VersionRecord, stage: str) -> dict[str, str]:
    own = {name: value for name, value in record.run_tags.items() if not name.startswith("mlflow.")}
    source = {
        "mlflow.model": record.model,
        "mlflow.version": str(record.version),
        "mlflow.run_id": record.run_id,
        "mlflow.aliases": ", ".join(record.aliases),
        "mlflow.stage": stage,
    }
    return {**own, **record.tags, **{name: value for name, value in source.items() if value}}
