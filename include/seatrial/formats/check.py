"""The check of an upload: the static part in a sandbox, then whether this machine can serve such a format at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from seatrial.errors import UploadRefused
from seatrial.formats.facts import shown
from seatrial.formats.report import CheckReport, Finding
from seatrial.formats.sandbox import SandboxLimits, run_limited
from seatrial.formats.tensorrt_fit import fits, in_words
from seatrial.hardware import HardwareOption
from seatrial.served_model import Format
from seatrial.settings import TreeLimits
from seatrial.tensors import Signature

__all__ = ["CheckLimits", "CheckReport", "Finding", "check_upload", "model_facts"]


@dataclass(frozen=True)
class CheckLimits:
    tree: TreeLimits = field(default_factory=TreeLimits)
    sandbox: SandboxLimits = field(default_factory=SandboxLimits)


def check_upload(
    folder: Path,
    options: Sequence[HardwareOption] | None = (),
    limits: CheckLimits | None = None,
    upload: str = "",
) -> CheckReport:
    """Check the upload in `folder` without a server. Changes nothing; a second call checks again.

    `upload` is its path below its root, if that is not the folder's name: it may name the model (uploads/names.py).

    Raises UploadRefused naming file, field, value and limit; also when parsing takes more memory, CPU or time than
    `limits` allow, when the upload changes meanwhile, or when none of `options` can run its format: not judged
    where they are not known (None).
    """
    limits = limits or CheckLimits()
    arguments = {
        "folder": str(folder.absolute()),
        "upload": upload,
        "max_files": limits.tree.files,
        "max_bytes": limits.tree.bytes,
        "sandbox": asdict(limits.sandbox),
    }
    report = report_of(run_limited("check", arguments, limits.sandbox))
    return report if options is None or report.served.format != "tensorrt" else _servable(report, options)


def model_facts(folder: Path, model_format: Format, model_file: str) -> tuple[Signature, tuple[str, ...]]:
    """A model's signature by its own tensor names, empty for a TensorRT plan, and the paths of its files in `folder`.

    Read in the sandbox. Raises UploadRefused for what is no such model.
    """
    arguments = {"folder": str(folder.absolute()), "format": model_format, "model_file": model_file}
    found = run_limited("signature", arguments, SandboxLimits())
    return Signature.from_dict(found), tuple(found["files"])


def report_of(answer: Mapping[str, Any]) -> CheckReport:
    """The report that the child answered. Raises UploadRefused for what is none: its input had taken it over."""
    try:
        return CheckReport.model_validate(answer)
    except ValidationError as error:
        place = ".".join(map(str, error.errors()[0]["loc"]))
        raise UploadRefused("made its parser answer no report", file=".", field=shown(place, 100)) from error


def _servable(report: CheckReport, options: Sequence[HardwareOption]) -> CheckReport:
    """The report with a finding of where the plan loads. Refuses one that none of `options` can load."""
    file, version, built_on = report.served.main_file, report.runtime["tensorrt"], report.runtime.get("built_on")
    gpus = [option for option in options if option.device == "gpu"]
    if not gpus:
        reason = "needs an NVIDIA GPU, and none of the hardware options here has one"
        limit = f"options: {', '.join(option.name for option in options) or 'none'}"
        raise UploadRefused(reason, file=file, field="TensorRT version", value=f"TensorRT {version}", limit=limit)
    found = fits(version, built_on, gpus, report.manifest.engine)
    said = in_words(version, built_on, found)
    value = f"TensorRT {version}, compute capability {built_on or 'unknown'}"
    if all(fit.loads is False for fit in found):
        raise UploadRefused("fits none of the hardware options", file=file, field="engine", value=value, limit=said)
    sure = any(fit.loads for fit in found)
    limit = ", ".join(option.name for option in gpus)
    severity: Literal["info", "warning"] = "info" if sure else "warning"
    finding = Finding(severity=severity, file=file, location="engine", value=value, limit=limit, message=said)
    return report.model_copy(update={"findings": (*report.findings, finding)})
