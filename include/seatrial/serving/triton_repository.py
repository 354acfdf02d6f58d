"""Triton's model repository for one replica on disk: one model, one version."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from importlib import resources
from pathlib import Path

from seatrial.errors import Refused
from seatrial.hardware import HardwareOption
from seatrial.served_model import ServedModel
from seatrial.serving.inference_http import raw_bytes
from seatrial.serving.triton_config import ModelConfig, model_config
from seatrial.storage.paths import path_flaw
from seatrial.tensors import Tensors

CopyFiles = Callable[[Mapping[str, str], Path], None]
"""Copies files (path → SHA-256 digest) into a folder and verifies each digest; `ArtifactStore.copy_to` is one."""


def write_repository(
    folder: Path,
    served: ServedModel,
    option: HardwareOption,
    installed: Collection[str],
    copy_files: CopyFiles,
    samples: Sequence[Tensors] = (),
) -> ModelConfig:
    """Write `<folder>/<name>/…`: configuration, the model's files, our runtime where it serves, the warm-up tensors.

    `installed` names the backends that Triton has. What stood in `folder` is removed first, so a second call leaves
    the same. Errors of `copy_files` go through.
    """
    config = model_config(served, option, installed, samples)
    _check_files(served)
    shutil.rmtree(folder, ignore_errors=True)
    model = folder / served.name
    version = model / str(served.version)
    version.mkdir(parents=True)
    if config.way.native:
        copy_files(served.files, version)
    else:
        copy_files(served.files, version / "files")
        _copy_runtime(version)
    (model / "config.pbtxt").write_text(config.text)
    _write_warm_ups(model / "warmup", config)
    return config


def runs_our_runtime(folder: Path, served: ServedModel) -> bool:
    """Whether the written repository has the model run by our model.py, which says in the log how it runs."""
    return 'backend: "python"' in (folder / served.name / "config.pbtxt").read_text()


def _copy_runtime(version: Path) -> None:
    for source in (resources.files("seatrial.serving") / "runtime").iterdir():
        if source.name.endswith(".py"):
            (version / source.name).write_bytes(source.read_bytes())


def _write_warm_ups(folder: Path, config: ModelConfig) -> None:
    for warm_up in config.warm_ups:
        folder.mkdir(exist_ok=True)
        for index, array in enumerate(warm_up.tensors.values()):
            (folder / warm_up.file(index)).write_bytes(raw_bytes(array))


def _check_files(served: ServedModel) -> None:
    for path in served.files:
        flaw = path_flaw(path)
        if flaw:
            raise Refused(f"{served.name} {served.version}: file {path[:80]!r} {flaw}")
    main = served.main_file
    if main not in served.files and not any(path.startswith(f"{main}/") for path in served.files):
        raise Refused(f"{served.name} {served.version}: {main!r} is not among its files ({', '.join(served.files)})")
