"""Step 4: the same requests to Production and Staging; the tensors, errors and latencies decide."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from seatrial.errors import DeadlineExceeded, NotDeployed
from seatrial.formats.reference import RUNTIMES, reference_answers
from seatrial.served_model import ServedModel
from seatrial.shadow.limits import Limits, limits_for
from seatrial.shadow.replay import Replay, Request, Side
from seatrial.shadow.report import ShadowReport
from seatrial.steps.requests import captures_of, samples_of
from seatrial.steps.run import Run
from seatrial.storage.folder import Folder
from seatrial.storage.local import atomic_write
from seatrial.storage.sources import Source
from seatrial.waiting import wait_until

CAPTURES = 200  # as many as a verdict needs at least, unless its limits ask for more
REPLAY_S = 240.0  # for one replay; each arrival of new traffic starts another


def shadow_validate(run: Run, model_id: int) -> dict[str, Any]:
    """The verdict, its sentence, and the Production version that it holds against.

    While it is UNDECIDED, it waits for more live traffic, as long as the manifest says. FAIL archives the version, so
    that its servers stop; UNDECIDED leaves it in Staging. The whole report is kept as evidence. A second call measures
    again and replaces the report of the first.
    """
    version = run.api.version(model_id)
    name, served = version["model"], ServedModel.model_validate(version["served"])
    production = run.api.model(name)["stages"]["local"]["production"]
    limits = limits_for(version["manifest"]["comparison"])
    comparing = Replay(
        None if production is None else _side(run, run.api.model_version(name, production)["model_id"]),
        _side(run, model_id),
        limits,
        objective_ms=version["manifest"]["objective"]["latency_ms"],
        reference=RUNTIMES[served.format] if production is None else None,
        progress=run.progress,
    )
    if production is None:
        report = comparing.extend(_first_requests(run, version, served), run.deadline.sooner(REPLAY_S))
    else:
        report = _with_traffic(run, version, served, comparing, limits)
    _keep(run, version, report)
    return {"verdict": report.verdict, "sentence": report.sentence, "production": production}


def _with_traffic(
    run: Run, version: dict[str, Any], served: ServedModel, comparing: Replay, limits: Limits
) -> ShadowReport:
    """Compares on captured live requests and the samples; undecided, again with what arrives within the wait."""
    samples = [Request(path, "sample", inputs) for path, inputs in samples_of(run, version, served)]
    wanted, looked_at = max(CAPTURES, limits.live_needed), set[str]()
    captures = captures_of(run, version["model"], served, wanted, looked_at)
    run.progress(f"{len(captures)} captured live requests")
    report = comparing.extend([*captures, *samples], run.deadline.sooner(REPLAY_S))
    waiting = run.deadline.sooner(version["manifest"]["comparison"].get("traffic_wait_s", 0.0))
    while report.verdict == "UNDECIDED" and not comparing.exhausted and not waiting.passed:
        run.progress(f"UNDECIDED: {report.sentence}; waiting for live traffic, {waiting.left_s:.0f} s more at most")
        try:
            arrived = wait_until(
                lambda: captures_of(run, version["model"], served, wanted, looked_at), waiting, "new live requests"
            )
        except DeadlineExceeded:
            break
        captures += arrived
        run.progress(f"{len(arrived)} new live requests")
        report = comparing.extend([*captures, *samples], waiting.sooner(REPLAY_S))
    return report


def _keep(run: Run, version: dict[str, Any], report: ShadowReport) -> None:
    run.api.add_evidence(version["model_id"], "ShadowValidate", "report", run.id, report.model_dump(mode="json"))
    run.progress(f"{report.verdict}: {report.sentence}")
    if report.verdict == "FAIL":
        why = f"shadow verdict FAIL: {report.sentence}"
        run.api.move_stage(version["model"], version["version"], "Archived", who=run.who, run=run.id, why=why[:500])


def _side(run: Run, model_id: int) -> Side:
    deployment = run.api.deployment(model_id)
    ready = [replica for replica in deployment["replicas"] if replica["state"] == "ready"]
    served = deployment["spec"]["served"]
    if not ready:
        raise NotDeployed(f"no server of {served['name']}@{served['version']} is ready")
    return Side(ready[0]["grpc_address"], served["name"], served["version"])


def _first_requests(run: Run, version: dict[str, Any], served: ServedModel) -> list[Request]:
    """The samples with what the reference runtime answers to them."""
    samples = samples_of(run, version, served)
    run.progress(f"first version: {RUNTIMES[served.format]} answers {len(samples)} sample(s) as the reference")
    with tempfile.TemporaryDirectory(prefix="seatrial-reference-") as folder:
        for path, digest in served.files.items():
            _fetch(run, version["model_id"], path, digest, Path(folder))
        answers = reference_answers(Path(folder), served, [inputs for _, inputs in samples])
    return [Request(path, "sample", inputs, answer) for (path, inputs), answer in zip(samples, answers, strict=True)]


def _fetch(run: Run, model_id: int, path: str, digest: str, folder: Path) -> None:
    """One model file, its digest verified on arrival: what is compared is what was checked."""
    arrived = folder / ".arrived"
    atomic_write(arrived, run.api.file(model_id, path))
    Source(Folder(folder)).copy(arrived.name, digest, folder / path)
    arrived.unlink()
