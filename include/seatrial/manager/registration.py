"""What the manager makes sure of before it registers an upload, and what it believes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.formats.agreement import check_manifest, check_report
from seatrial.formats.report import CheckReport
from seatrial.uploads.declaration import declaration_of, declaring_file
from seatrial.uploads.source import Upload
from seatrial.uploads.yaml_guard import LONGEST_FILE

if TYPE_CHECKING:
    from seatrial.manager.composition import InferenceManager


def keep_upload(manager: InferenceManager, model: str, upload: Upload, report: CheckReport) -> str:
    """Copy an upload into the artifact store; its tree digest. Nothing may be registered before this has returned.

    Verified: each file has the digest that the report names (it is taken while the file is copied); the manifest in the
    report is what the upload's `model.yaml` or `MLmodel` says, and names `model`; the model that is to be served has
    the manifest's name, format, file and layer names, and only files of the upload; the samples are there. Refused or
    UploadRefused else.

    Believed: dtypes and shapes of the layers, findings, versions of runtimes, seconds. To know them is to parse the
    model file, which CheckFormat did in its sandbox. Only an operator's token registers (Airflow's; a researcher's
    uploads and reads), and an untrue signature is found by the server that loads the model under it, in step 3.

    A second call finds the files and does not read the upload again, which may be gone then.
    """
    check_report(report, model)
    tree = manager.artifacts.put(upload.source, report.files)
    file = declaring_file(report.files)
    data = manager.artifacts.head(file, report.files[file], LONGEST_FILE + 1)
    check_manifest(report, declaration_of(file, data, upload.path).manifest)
    return tree
