"""The check of an upload: the static part in a sandbox, then whether this machine can serve such a format at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from seatrial.errors import UploadRefused
from seatrial.formats.report import CheckReport, Finding
from seatrial.formats.sandbox import SandboxLimits, run_limited
from seatrial.formats.tensorrt_fit import fits, in_words
from seatrial.hardware import HardwareOption
from seatrial.uploads.tree import TreeLimits

__all__ = ["CheckLimits", "CheckReport", "Finding", "check_upload"]


@dataclass(frozen=True)
class CheckLimits:
    tree: TreeLimits = field(default_factory=TreeLimits)
    sandbox: SandboxLimits = field(default_factory=SandboxLimits)


def check_upload(
    folder: Path, options: Sequence[HardwareOption] | None = (), limits: CheckLimits | None = None
) -> CheckReport:
    """Check the upload in `folder` without a server. Changes nothing; a second call checks again.

    Raises UploadRefused naming file, field, value and limit; also when parsing takes more memory, CPU or time than
    `limits` allow, when the upload changes meanwhile, or when none of `options` can run its format: not judged
    where they are not known (None).
    """
    limits = limits or CheckLimits()
    arguments = {
        "folder": str(folder.absolute()),
        "max_files": limits.tree.files,
        "max_bytes": limits.tree.bytes,
        "sandbox": asdict(limits.sandbox),
    }
    report = CheckReport.model_validate(run_limited("check", arguments, limits.sandbox))
    return report if options is None or report.served.format != "tensorrt" else _servable(report, options)


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
    if all(fit.loads is False for fit in found):
        value = f"TensorRT {version}, compute capability {built_on or 'unknown'}"
        raise UploadRefused("fits none of the hardware options", file=file, field="engine", value=value, limit=said)
    sure = any(fit.loads for fit in found)
    finding = Finding(severity="info" if sure else "warning", file=file, location="engine", message=said)
    return report.model_copy(update={"findings": (*report.findings, finding)})
