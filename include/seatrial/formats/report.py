"""The check report: what is known of an upload once it has been accepted."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from seatrial.formats.facts import Finding
from seatrial.formats.line import report_line
from seatrial.formats.weights import Weights
from seatrial.served_model import ServedModel
from seatrial.uploads.manifest import Manifest

__all__ = ["CheckReport", "Finding"]


class CheckReport(BaseModel):
    """`served` has the public layer names; its version is 1 until the registry has given one.

    As text it is one line for a log; its document has all. `files` are all files of the upload by digest and
    `tree_digest` is theirs together; `served.files` only those that a server needs. `runtime` names versions: of the
    runtimes here, of the file's opset, of what built it. `seconds` is how long the check took.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    manifest: Manifest
    served: ServedModel
    tree_digest: str
    files: dict[str, str]
    sample_names: tuple[str, ...]
    findings: tuple[Finding, ...] = ()
    runtime: dict[str, str]
    weights: Weights = Weights()
    seconds: float

    def __str__(self) -> str:
        return report_line(self.model_dump(mode="json"))
