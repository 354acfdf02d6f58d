"""What a version's own runtime answers, without a server: the reference of a first version."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from seatrial.formats.reference import reference_answers
from seatrial.served_model import ServedModel
from seatrial.steps.run import Run
from seatrial.storage.folder import Folder
from seatrial.storage.local import atomic_write
from seatrial.storage.sources import Source
from seatrial.tensors import Tensors


def runtime_answers(run: Run, model_id: int, served: ServedModel, inputs: Sequence[Tensors]) -> Sequence[Tensors]:
    """An answer to each of `inputs`, by the files that are registered."""
    with tempfile.TemporaryDirectory(prefix="seatrial-reference-") as folder:
        for path, digest in served.files.items():
            _fetch(run, model_id, path, digest, Path(folder))
        return reference_answers(Path(folder), served, inputs)


def _fetch(run: Run, model_id: int, path: str, digest: str, folder: Path) -> None:
    """One model file, its digest verified on arrival: what is compared is what was checked."""
    arrived = folder / ".arrived"
    atomic_write(arrived, run.api.file(model_id, path))
    Source(Folder(folder)).copy(arrived.name, digest, folder / path)
    arrived.unlink()
