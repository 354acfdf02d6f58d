"""MLflow's model folder as an upload (pure): what its `MLmodel` says, as a manifest.

Nothing else of the folder is read for it: no environment, no pickle, no code of a loader.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from seatrial.errors import Refused, UploadRefused
from seatrial.served_model import Format
from seatrial.uploads.fields import as_mapping, kept
from seatrial.uploads.names import model_of
from seatrial.uploads.yaml_guard import read_yaml_mapping

MLMODEL = "MLmodel"
OBJECTIVE = {"percentile": 99.0, "latency_ms": 1000.0}
"""What is kept where nobody said what is to be kept: the check report says so."""

TOLD = ("run_id", "model_uuid", "utc_time_created", "mlflow_version", "artifact_path")
"""Entries of MLmodel that become tags, `mlflow.` before their names."""

NO_EXAMPLE = "has no input example: log the model with input_example=, an array or one array for each input"
NO_ARRAYS = "is no array: log the model with input_example=, an array or one array for each input"


@dataclass(frozen=True)
class MlflowModel:
    """`document` is a manifest that is not checked yet; `notes` say what is not in it.

    `objective_assumed`: MLmodel names no objective, so OBJECTIVE is the manifest's. `signature` is what was logged with
    the model, as MLmodel has it, and `signature_name` the SavedModel's that MLflow would call, if it says so.
    """

    document: dict[str, Any]
    notes: tuple[str, ...]
    objective_assumed: bool
    signature: Any
    signature_name: str | None


def read_mlmodel(data: bytes, upload: str) -> MlflowModel:
    """What the bytes of an MLmodel say of the upload in the folder `upload`, a path below its root.

    `metadata: {seatrial: {…}}`, which is `log_model(…, metadata={"seatrial": {…}})`, holds entries of the manifest and
    goes before what is found here. Raises UploadRefused: no flavor that can be served, no input example of arrays.
    """
    mlmodel = read_yaml_mapping(data, MLMODEL)
    metadata = as_mapping(mlmodel.get("metadata"))
    own = metadata.get("seatrial") or {}
    if not isinstance(own, dict):
        raise UploadRefused("is not accepted", file=MLMODEL, field="metadata.seatrial", value=own, limit="a mapping")
    notes: list[str] = []
    tags, more = kept("tags", _tags(mlmodel, metadata), notes), own.get("tags", {})
    tensorflow = as_mapping(as_mapping(mlmodel.get("flavors")).get("tensorflow"))
    return MlflowModel(
        document={
            "objective": OBJECTIVE,
            **_unsaid(mlmodel, own, upload),
            **own,
            "tags": tags | more if isinstance(more, dict) else more,
        },
        notes=tuple(notes),
        objective_assumed="objective" not in own,
        signature=mlmodel.get("signature"),
        signature_name=tensorflow.get("signature_def_key"),
    )


def _unsaid(mlmodel: dict[str, Any], own: dict[str, Any], upload: str) -> dict[str, Any]:
    """The required entries that `own` lacks."""
    found: dict[str, Any] = {}
    if "name" not in own:
        found["name"] = _name(upload)
    if "format" not in own:
        found["format"], found["model_file"] = _served_file(mlmodel)
    if "samples" not in own:
        found["samples"] = [_example(mlmodel)]
    return found


def flavor_file(mlmodel: Mapping[str, Any]) -> tuple[Format, str] | None:
    """The format and file of the first flavor that can be served, as it says them; None when there is none."""
    flavors = as_mapping(mlmodel.get("flavors"))
    for name, (model_format, file_of) in FLAVORS.items():
        file = file_of(as_mapping(flavors.get(name)))
        if isinstance(file, str):
            return model_format, file
    return None


def _keras_file(flavor: dict[str, Any]) -> Any:
    """`data/model`, where `mlflow.tensorflow` writes a Keras model and `mlflow.keras` an exported one."""
    saved = flavor.get("save_format") == "tf" or flavor.get("save_exported_model") is True
    return f"{flavor['data']}/model" if saved and isinstance(flavor.get("data"), str) else None


FLAVORS: dict[str, tuple[Format, Callable[[dict[str, Any]], Any]]] = {
    "onnx": ("onnx", lambda flavor: flavor.get("data")),
    "tensorflow": ("savedmodel", lambda flavor: flavor.get("saved_model_dir") or _keras_file(flavor)),
    "keras": ("savedmodel", _keras_file),
}


def _served_file(mlmodel: dict[str, Any]) -> tuple[Format, str]:
    found = flavor_file(mlmodel)
    if found is None:
        flavors = ", ".join(sorted(map(str, as_mapping(mlmodel.get("flavors"))))) or "none"
        reason = "are neither ONNX nor a SavedModel: export the model as one of them"
        limit = "onnx with data, tensorflow with saved_model_dir or saved as tf, keras with save_exported_model"
        raise UploadRefused(reason, file=MLMODEL, field="flavors", value=flavors, limit=limit)
    return found


def _name(upload: str) -> str:
    try:
        return model_of(upload)
    except Refused as error:
        raise UploadRefused(error.message, file=MLMODEL, field="metadata.seatrial.name") from error


def _example(mlmodel: dict[str, Any]) -> Any:
    info = as_mapping(mlmodel.get("saved_input_example_info"))
    kind, path = info.get("type", "ndarray"), info.get("artifact_path")
    if not path:
        raise UploadRefused(NO_EXAMPLE, file=MLMODEL, field="saved_input_example_info")
    if kind not in ("ndarray", "json_object"):
        raise UploadRefused(NO_ARRAYS, file=MLMODEL, field="saved_input_example_info.type", value=kind)
    return path


def _tags(mlmodel: dict[str, Any], metadata: dict[str, Any]) -> dict[str, str]:
    """The run that made the model, and the plain values that a person put into `metadata`."""
    run = {f"mlflow.{name}": mlmodel[name] for name in TOLD if isinstance(mlmodel.get(name), str)}
    return {
        name: str(value)
        for name, value in (metadata | run).items()
        if isinstance(name, str) and isinstance(value, str | int | float)
    }
