"""Step 1: is this upload what it says it is, and does a real Inference Server answer its samples?"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

from seatrial.client.transport import GrpcTransport
from seatrial.errors import BadInput, SeatrialError, ServerFailed, TryAgain, UploadRefused
from seatrial.formats.check import CheckLimits, CheckReport, check_upload
from seatrial.hardware import HardwareOption
from seatrial.settings import TreeLimits
from seatrial.shadow.comparison import compare_tensors
from seatrial.shadow.finding import TensorComparison
from seatrial.shadow.limits import Limits, limits_for
from seatrial.shadow.relation import built_of, class_alone
from seatrial.steps.run import Run
from seatrial.steps.trial import trial_server
from seatrial.tensors import Tensors, check_tensors
from seatrial.uploads.samples import Sample, read_samples
from seatrial.uploads.scratch import scratch_folder
from seatrial.uploads.source import Upload

Options = tuple[HardwareOption, ...]
Samples = tuple[Sample, ...]


def check_format(run: Run, upload: Upload) -> dict[str, Any]:
    """The check report as JSON. Raises UploadRefused naming file, field, value and limit; leaves nothing behind.

    An upload on HDFS is fetched into a temporary folder, checked there, and must be the same when that is done. The
    trial server's files come from the upload itself, by the digests that the check found.
    """
    manager = run.api.health()
    options = tuple(HardwareOption.model_validate(option) for option in manager["options"])
    report, samples = _static(run, upload, options, CheckLimits(tree=TreeLimits(**manager["largest_upload"])))
    served = report.served
    purpose = f"check of {served.name} from {PurePosixPath(upload.path).name}"
    try:
        with trial_server(run, served, _smallest(options), purpose=purpose, upload=upload.name) as replica:
            assert replica.grpc_address is not None
            _answer(run, replica.grpc_address, report, samples)
    except ServerFailed as error:
        raise UploadRefused(f"could not be served: {error}", file=served.main_file) from error
    run.progress(f"a trial server answered {len(samples)} sample(s)")
    return report.model_dump(mode="json")


def _static(run: Run, upload: Upload, options: Options, limits: CheckLimits) -> tuple[CheckReport, Samples]:
    """What is found without a server, and the samples."""
    if upload.folder is not None:  # in place: the check itself sees to it that nothing changes
        return _look_into(run, upload.folder, upload.path, options, limits)
    with scratch_folder() as fetched:
        files = upload.fetch(fetched, run.deadline, limits.tree)
        run.progress(f"fetched {len(files)} file(s), {sum(file.size for file in files.values())} bytes")
        found = _look_into(run, fetched, upload.path, options, limits)
        upload.check_unchanged(files, limits.tree)
    return found


def _look_into(run: Run, folder: Path, path: str, options: Options, limits: CheckLimits) -> tuple[CheckReport, Samples]:
    report = check_upload(folder, options, limits, path)
    run.progress(f"static check passed in {report.seconds:.1f} s: {report}")
    return report, read_samples(folder, report.sample_names, report.served)


def _answer(run: Run, address: str, report: CheckReport, samples: Samples) -> None:
    served = report.served
    with GrpcTransport() as transport:
        for sample in samples:
            try:
                outputs = transport.infer(address, served.name, served.version, sample.inputs, run.deadline.left_s)
                check_tensors(served.signature.outputs, outputs)
            except BadInput as error:
                raise UploadRefused(
                    f"the model's answer does not fit its signature: {error}", file=sample.name
                ) from error
            except TryAgain:
                raise
            except SeatrialError as error:
                raise UploadRefused(f"the model does not answer this sample: {error}", file=sample.name) from error
            if sample.expected is not None:
                _as_expected(report, sample, outputs)


def _as_expected(report: CheckReport, sample: Sample, outputs: Tensors) -> None:
    assert sample.expected is not None
    comparison = report.manifest.comparison.model_dump()
    alone, _ = class_alone(built_of(report.served, report.tree_digest, report.weights))
    limits = limits_for({**comparison, "comparison_class": comparison["comparison_class"] or alone})
    for found in compare_tensors(sample.expected, {k: outputs[k] for k in sample.expected}, limits):
        if not found.passed:
            raise UploadRefused(
                "differs from the expected output",
                file=sample.name,
                field=f"expected.{found.layer}",
                value=f"{found.got} at {list(found.worst_index or ())}",
                limit=_wanted(found, limits),
            )


def _wanted(found: TensorComparison, limits: Limits) -> str:
    if found.flaw != "values":
        return found.expected
    of = limits.of(found.layer)
    return f"{found.expected}, atol {of.atol:g} + rtol {of.rtol:g}"


def _smallest(options: Options) -> HardwareOption:
    """The cheapest option that any machine has, without batches if there is one: a check needs no speed."""
    fitting = (option for option in options if option.device == "cpu")
    return min(fitting, key=lambda option: (option.max_batch, option.price))
