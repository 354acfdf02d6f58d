"""The check of an upload: the static part in a sandbox, then whether this machine can serve such a format at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from seatrial.errors import UploadRefused
from seatrial.formats.report import CheckReport, Finding
from seatrial.formats.sandbox import SandboxLimits, run_limited
from seatrial.hardware import HardwareOption
from seatrial.uploads.tree import TreeLimits

__all__ = ["CheckLimits", "CheckReport", "Finding", "check_upload"]


@dataclass(frozen=True)
class CheckLimits:
    tree: TreeLimits = field(default_factory=TreeLimits)
    sandbox: SandboxLimits = field(default_factory=SandboxLimits)


def check_upload(
    folder: Path, options: Sequence[HardwareOption] = (), limits: CheckLimits | None = None
) -> CheckReport:
    """Check the upload in `folder` without a server. Changes nothing; a second call checks again.

    Raises UploadRefused naming file, field, value and limit; also when parsing takes more memory, CPU or time than
    `limits` allow, when the upload changes meanwhile, or when none of `options` can run its format.
    """
    limits = limits or CheckLimits()
    arguments = {
        "folder": str(folder.absolute()),
        "max_files": limits.tree.files,
        "max_bytes": limits.tree.bytes,
    }
    report = CheckReport.model_validate(run_limited("check", arguments, limits.sandbox))
    _check_servable(report, options)
    return report


def _check_servable(report: CheckReport, options: Sequence[HardwareOption]) -> None:
    """A TensorRT plan runs on a GPU only; what else fits it (GPU model, TensorRT version) shows when it is loaded."""
    if report.served.format == "tensorrt" and not any(option.device == "gpu" for option in options):
        version = report.runtime["tensorrt"]
        reason = "needs an NVIDIA GPU, and none of the hardware options here has one"
        names = ", ".join(option.name for option in options) or "none"
        field, value = "TensorRT version", f"TensorRT {version}"
        raise UploadRefused(reason, file=report.served.main_file, field=field, value=value, limit=f"options: {names}")
