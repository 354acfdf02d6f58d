"""Upload folders made of MLflow's versions. One that is there already is never touched again."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import yaml

from seatrial.errors import BadInput, Refused, UploadRefused
from seatrial.formats.check import model_facts
from seatrial.formats.layers import public_signature
from seatrial.mlflow_import.plan import Import
from seatrial.mlflow_import.source import MlflowSource
from seatrial.settings import TreeLimits
from seatrial.storage.local import atomic_write
from seatrial.storage.paths import copy_beneath, open_beneath
from seatrial.tensors import check_tensors, to_npz
from seatrial.uploads.declaration import read_declaration
from seatrial.uploads.manifest import MANIFEST
from seatrial.uploads.mlflow_example import LARGEST_EXAMPLE, read_example
from seatrial.uploads.send import send

SAMPLE = "samples/example.npz"
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """What became of one version. `missing` is what its folder still lacks; `sent` that its run can start."""

    wanted: Import
    state: Literal["planned", "written", "there already", "skipped"]
    folder: Path
    missing: tuple[str, ...] = ()
    sent: bool = False


def planned(wanted: Iterable[Import], to: Path) -> list[Outcome]:
    """What `write` would do; nothing is written."""
    return [
        _present(each, to / each.folder) or Outcome(each, "planned", to / each.folder, each.missing) for each in wanted
    ]


def write(source: MlflowSource, wanted: Iterable[Import], to: Path, progress: Progress) -> list[Outcome]:
    """A folder below `to` for each version that is not skipped, complete or with what it lacks in its first lines.

    Each is made under another name and renamed, so a second call finds whole ones; it leaves them as they are.
    """
    outcomes = []
    for each in wanted:
        folder = to / each.folder
        present = _present(each, folder)
        if present is None:
            progress(f"{each.source} v{each.version}: {len(each.copied)} file(s)")
            present = Outcome(each, "written", folder, _write(source, each, folder))
        outcomes.append(present)
    return outcomes


def send_first(outcomes: Iterable[Outcome], uploads: Path, limits: TreeLimits) -> list[Outcome]:
    """Send the oldest version of each model, if this call wrote it complete: later ones wait until its run has ended.

    The runs of two versions of a model may not overlap: they would take each other's place in Staging.
    """
    seen: set[str] = set()
    found = []
    for outcome in outcomes:
        name = outcome.wanted.folder
        first = outcome.state != "skipped" and outcome.wanted.model not in seen
        if outcome.state != "skipped":
            seen.add(outcome.wanted.model)
        if first and outcome.state == "written" and not outcome.missing and not (uploads / name).exists():
            try:
                send(outcome.folder, uploads, name, limits)
            except UploadRefused as error:
                outcome = replace(outcome, missing=(error.message,))
        found.append(replace(outcome, sent=outcome.state != "skipped" and (uploads / name).exists()))
    return found


def _present(wanted: Import, folder: Path) -> Outcome | None:
    if wanted.skipped:
        return Outcome(wanted, "skipped", folder)
    if not folder.exists():
        return None
    try:
        read_declaration(folder)
    except UploadRefused as error:
        return Outcome(wanted, "there already", folder, (error.message,))
    return Outcome(wanted, "there already", folder)


def _write(source: MlflowSource, wanted: Import, folder: Path) -> tuple[str, ...]:
    """What the folder lacks."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    building = folder.with_name(f".importing-{secrets.token_hex(6)}")
    try:
        with tempfile.TemporaryDirectory(prefix="seatrial-mlflow-") as temporary:
            found = source.download(wanted.source, wanted.version, Path(temporary))
            for path in wanted.copied:
                _copy(found, path, building / path)
            manifest, missing = dict(wanted.manifest), list(wanted.missing)
            if wanted.example:
                try:
                    atomic_write(building / SAMPLE, _sample(wanted, found, building))
                    manifest["samples"] = [SAMPLE]
                except Refused as error:
                    missing.append(f"samples: {error.message}")
        atomic_write(building / MANIFEST, _manifest_text(manifest, missing).encode())
        if not missing:
            read_declaration(building)
        building.rename(folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return tuple(missing)


def _copy(below: Path, path: str, target: Path) -> None:
    try:
        copy_beneath(below, path, target)
    except OSError as error:
        raise Refused(f"{path} could not be copied from MLflow: {error}", field="files", value=path) from error


def _sample(wanted: Import, found: Path, building: Path) -> bytes:
    assert wanted.example is not None
    assert wanted.format is not None
    try:
        with open_beneath(found, wanted.example) as file:
            data = file.read(LARGEST_EXAMPLE + 1)
    except OSError as error:
        raise Refused(f"the input example cannot be read: {error}", field="input_example") from error
    own, _ = model_facts(building, wanted.format, wanted.manifest["model_file"])
    signature, _ = public_signature(own, {}, MANIFEST)
    tensors = read_example(data, signature)
    try:
        check_tensors(signature.inputs, tensors)
    except BadInput as error:
        raise Refused(f"the input example does not fit the model: {error}", field="input_example") from error
    return to_npz(tensors)


def _manifest_text(manifest: dict[str, Any], missing: list[str]) -> str:
    head = ["# To fill in before this folder can be sent with `seatrial upload`:", *(f"#   {line}" for line in missing)]
    text: str = yaml.safe_dump(manifest, sort_keys=False, allow_unicode=True, width=110)
    return ("\n".join(head) + "\n" if missing else "") + text
