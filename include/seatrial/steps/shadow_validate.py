"""Step 4: the same requests to Production and Staging; the tensors, errors and latencies decide."""

from __future__ import annotations

import time
from typing import Any

from seatrial.errors import NotFound, Refused, TryAgain, UndecidedYet
from seatrial.formats.reference import RUNTIMES
from seatrial.served_model import ServedModel
from seatrial.serving.spec import Deployment
from seatrial.shadow.burden import Burden
from seatrial.shadow.limits import Limits
from seatrial.shadow.replay import Replay
from seatrial.shadow.report import ShadowReport, Subject
from seatrial.shadow.sides import FindSide, Request, Side
from seatrial.shadow.signatures import breaking_changes
from seatrial.steps.limits import limits_of
from seatrial.steps.reference import runtime_answers
from seatrial.steps.requests import captures_of, samples_of
from seatrial.steps.run import Run
from seatrial.uploads.comparison import PRODUCTION_SHARE
from seatrial.waiting import Deadline, wait_until

CAPTURES = 1200  # different requests, the more the better: about as many as the least share of failures needs
REPLAY_S = 240.0  # for one replay; each arrival of new traffic starts another
COMES_BACK_S = 60.0  # within which a server that ended is replaced
STEP = "ShadowValidate"


def shadow_validate(run: Run, model_id: int) -> dict[str, Any]:
    """The verdict, its sentence, and the Production version that it holds against.

    FAIL archives the version, so that its servers stop; UNDECIDED leaves it in Staging. The whole report is kept as
    evidence. A second call, of this run or a later one, goes on from an undecided report of the same two versions and
    limits, and else compares anew and replaces the report.

    Raises UndecidedYet while it is undecided, has requests left to send and, for live traffic or an hour in which
    Production has less to do, the manifest lets it wait: what was gathered is kept, so call it again later. Raises
    Refused where the manifest lacks a limit, and for a signature that breaks services that call the version in
    Production, unless its manifest says that this is wanted.
    """
    version = run.api.version(model_id)
    number = run.api.model(version["model"])["stages"]["local"]["production"]
    production = None if number is None else run.api.model_version(version["model"], number)
    risk = "" if production is None else _breaks(run, version, production)
    if risk:
        production = None
    limits, why = limits_of(run.api, version, production)
    run.progress(f"compared as {limits.comparison_class}: {why}")
    before, began_ms = _earlier(run, version, production, limits)
    if before is not None and _lacks(before) == {"traffic"} and not _arrived(run, version, before):
        report = before.model_copy(update={"began_ms": began_ms})
    else:
        subject = _subject(version, production, why, began_ms, risk)
        report = _compared(run, version, production, limits, subject, before)
    run.api.add_evidence(model_id, STEP, "report", run.id, report.model_dump(mode="json"))
    _keep_offending(run, version["model"], report)
    run.progress(f"{report.verdict}: {report.sentence}")
    if report.verdict == "UNDECIDED" and production is not None:
        _go_on(version, report)
    if report.verdict == "FAIL":
        why = f"shadow verdict FAIL: {report.sentence}"
        run.api.move_stage(version["model"], version["version"], "Archived", who=run.who, run=run.id, why=why[:500])
    return {"verdict": report.verdict, "sentence": report.sentence, "production": number}


def _compared(
    run: Run,
    version: dict[str, Any],
    production: dict[str, Any] | None,
    limits: Limits,
    subject: Subject,
    before: ShadowReport | None,
) -> ShadowReport:
    served = ServedModel.model_validate(version["served"])
    first = production is None
    requests = _with_reference(run, version, served) if first else _requests(run, version, served, limits)
    comparing = Replay(
        None if production is None else _side(run, production["model_id"]),
        _side(run, version["model_id"]),
        limits,
        _burden(version, production or version),
        subject=subject,
        progress=run.progress,
        before=before,
    )
    return comparing.extend(requests, run.deadline.sooner(REPLAY_S))


def _subject(version: dict[str, Any], production: dict[str, Any] | None, why: str, began_ms: int, risk: str) -> Subject:
    return Subject(
        model=version["model"],
        staging=version["version"],
        production=production["version"] if production else None,
        reference=None if production else RUNTIMES[version["served"]["format"]],
        class_reason=why,
        began_ms=began_ms,
        risk=risk,
    )


def _breaks(run: Run, version: dict[str, Any], production: dict[str, Any]) -> str:
    """What services that call Production would notice, as the version's manifest says it should be; empty where they
    notice nothing. Raises Refused if it does not say so."""
    old, new = (ServedModel.model_validate(one["served"]).signature for one in (production, version))
    changes = "; ".join(breaking_changes(old, new))
    if changes and not version["manifest"]["comparison"].get("new_signature", False):
        raise Refused(
            f"comparison.new_signature: services that call {production['model']}@{production['version']} would fail: "
            f"{changes}. `layers` gives a tensor the name that it had; `new_signature: true` says that this is wanted",
            field="comparison.new_signature",
        )
    if changes:
        run.progress(f"at risk are services that call as @{production['version']} is called: {changes}")
    return changes


def _earlier(
    run: Run, version: dict[str, Any], production: dict[str, Any] | None, limits: Limits
) -> tuple[ShadowReport | None, int]:
    """The undecided report to go on from, if any, and when this run first compared."""
    kept = next(iter(run.api.evidence(version["model_id"], STEP)), None)
    began_ms = round(time.time() * 1000)
    if kept is None:
        return None, began_ms
    report = ShadowReport.model_validate(kept["document"])
    number = production["version"] if production else None
    if (report.verdict, report.production, report.limits) != ("UNDECIDED", number, limits):
        return None, began_ms
    run.progress(f"goes on from {report.counts.sent} requests that were compared before")
    return report, report.began_ms if kept["run"] == run.id else began_ms


def _keep_offending(run: Run, model: str, report: ShadowReport) -> None:
    """Captured requests expire within a day; whoever reads the report wants to send those that differed again."""
    for request in {offence.request for offence in report.first_offending if offence.source == "capture"}:
        try:
            run.api.keep_capture_aside(model, request)
        except NotFound as error:
            run.progress(f"an offending request is gone: {error}")


def _lacks(report: ShadowReport) -> set[str]:
    return {part.name for part in report.parts if part.verdict == "UNDECIDED"}


def _arrived(run: Run, version: dict[str, Any], report: ShadowReport) -> bool:
    """Whether there are live requests that were not compared yet."""
    served, wanted = ServedModel.model_validate(version["served"]), max(CAPTURES, report.limits.live_needed)
    return bool(captures_of(run, version, served, wanted, set(report.requests.sources)))


def _go_on(version: dict[str, Any], report: ShadowReport) -> None:
    """Raise UndecidedYet where more requests can decide, or what is lacking may come within the wait."""
    if report.counts.sent >= report.limits.max_requests:
        return
    wait_s = version["manifest"]["comparison"].get("traffic_wait_s", 0.0)
    left_s = report.began_ms / 1000 + wait_s - time.time()
    if _lacks(report) - {"traffic", "burden"}:
        raise UndecidedYet(f"UNDECIDED after {report.counts.sent} requests, and goes on: {report.sentence}")
    if left_s > 0:
        raise UndecidedYet(f"UNDECIDED: {report.sentence}; waits {left_s:.0f} s more at most")


def _burden(version: dict[str, Any], production: dict[str, Any]) -> Burden:
    share = version["manifest"]["comparison"].get("production_share", PRODUCTION_SHARE)
    objective = production["manifest"]["objective"]
    return Burden(share, objective["latency_ms"], objective.get("percentile", 99.0))


def _side(run: Run, model_id: int) -> FindSide:
    """A ready server of that version; within COMES_BACK_S, since the manager replaces one that ended. Raises
    TryAgain where the machine failed it: that says nothing of the version."""

    def ready() -> Side | None:
        deployment = Deployment.model_validate(run.api.deployment(model_id))
        served = deployment.spec.served
        for replica in deployment.replicas:
            if replica.state == "ready" and replica.grpc_address is not None:
                return Side(replica.grpc_address, served.name, served.version)
            if replica.machine_failed:
                raise TryAgain(f"the machine failed a server of {served.name}@{served.version}: {replica.error}")
        return None

    return lambda: wait_until(ready, Deadline.after(COMES_BACK_S), "a server that is ready")


def _requests(run: Run, version: dict[str, Any], served: ServedModel, limits: Limits) -> list[Request]:
    """The samples, which somebody chose, and captured live requests, the newest first."""
    samples = [Request(path, "sample", inputs) for path, inputs in samples_of(run, version, served)]
    captures = captures_of(run, version, served, max(CAPTURES, limits.live_needed), set())
    run.progress(f"{len(captures)} captured live requests")
    return [*samples, *captures]


def _with_reference(run: Run, version: dict[str, Any], served: ServedModel) -> list[Request]:
    """The samples with what the reference runtime answers to them."""
    samples = samples_of(run, version, served)
    run.progress(f"first version: {RUNTIMES[served.format]} answers {len(samples)} sample(s) as the reference")
    answers = runtime_answers(run, version["model_id"], served, [inputs for _, inputs in samples])
    return [Request(path, "sample", inputs, answer) for (path, inputs), answer in zip(samples, answers, strict=True)]
