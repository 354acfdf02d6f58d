"""Scheduled re-profiling: Production versions are measured again, and a policy follows where its replica drifted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from pydantic import ValidationError

from seatrial.autoscale.derive import ScalingPolicy
from seatrial.errors import Conflict, NotFound, Refused
from seatrial.profiling.cell import Cell
from seatrial.profiling.drift import Drift, Measured, drift, not_measured
from seatrial.profiling.evidence import PROFILED, cells_in, offered
from seatrial.steps.choose_hardware import policy_from
from seatrial.steps.measuring import cell_of_run
from seatrial.steps.not_quiet import not_quiet
from seatrial.steps.run import Run

DRIFT, PUSHED = "Drift", "PushAutoscaling"


def production_options(run: Run) -> list[dict[str, Any]]:
    """For each Production version with a policy: its model id, and the hardware option that it runs on."""
    plan = [{"model_id": p.model_id, "option": p.option.model_dump(mode="json")} for p in _in_force(run)]
    run.progress(f"{len(plan)} Production version(s) to measure")
    return plan


def refresh_policies(run: Run, planned: list[dict[str, Any]]) -> dict[str, Any]:
    """What became of each version that `production_options` planned: verdict, sentence and target by model.

    The judgement (`profiling.drift`) is kept as evidence. After `keep` nothing is pushed, so that the autoscaler does
    not move every week; after `refresh` and `alarm` a policy is derived from this run's measurement, if there is one.
    What has left Production meanwhile, or runs on something else now, is left alone. A second call judges and pushes
    nothing twice.
    """
    found, policies = {}, {(policy.model_id, policy.option.name): policy for policy in _in_force(run)}
    for one in planned:
        model_id, option = one["model_id"], one["option"]["name"]
        policy = policies.get((model_id, option))
        if policy is None:
            run.progress(f"model id {model_id} is no longer in Production on {option}: left alone")
        else:
            found[policy.model] = _followed(run, policy)
    return found


def _in_force(run: Run) -> Iterator[ScalingPolicy]:
    """The policies of the versions that are in Production."""
    for model in run.api.models():
        if model["production"] is not None:
            with suppress(NotFound):  # it was never given one, or has left Production just now
                yield ScalingPolicy.model_validate(run.api.policy(model["name"]))


def _followed(run: Run, policy: ScalingPolicy) -> dict[str, Any]:
    cell, why = _measured(run, policy)
    found = _judged(run, policy, cell, why)
    run.progress(f"{policy.model}@{policy.version} on {policy.option.name}: {found.verdict}: {found.sentence}")
    target = policy.target_per_replica
    if cell is not None and found.verdict != "keep" and not _pushed(run, cell):
        target = _refreshed(run, policy, cell)
    return {"verdict": found.verdict, "sentence": found.sentence, "target_per_replica": target}


def _measured(run: Run, policy: ScalingPolicy) -> tuple[Cell | None, str]:
    """What this run measured of it, or why it did not."""
    try:
        return cell_of_run(run, policy.model_id, policy.option.name), ""
    except Refused as error:
        busy = (found.reason for found in not_quiet(run, policy.model_id) if found.option.name == policy.option.name)
        return None, next(busy, error.message)


def _judged(run: Run, policy: ScalingPolicy, cell: Cell | None, why: str) -> Drift:
    """This run's judgement of that measurement. The one that is kept counts: the policy in force may be one that this
    run has pushed since."""
    known = _known(run, policy)
    if known is not None and known.now == (None if cell is None else Measured.of(cell)):
        return known
    before = _source(run, policy)
    found = not_measured(before, why, policy.standing) if cell is None else drift(before, cell, policy.standing)
    run.api.add_evidence(policy.model_id, DRIFT, policy.option.name, run.id, found.model_dump(mode="json"))
    return found


def _known(run: Run, policy: ScalingPolicy) -> Drift | None:
    """What this run has judged of it already."""
    for one in run.api.evidence(policy.model_id, DRIFT):
        if (one["run"], one["key"]) == (run.id, policy.option.name):
            with suppress(ValidationError):  # anyone with a token may keep evidence of any shape
                return Drift.model_validate(one["document"])
    return None


def _source(run: Run, policy: ScalingPolicy) -> Cell | None:
    """The measurement, of another run, that the policy was derived from; None where it is not kept."""
    others = (one for one in run.api.evidence(policy.model_id, PROFILED) if one["run"] != run.id)
    for cell in cells_in(others, PROFILED):
        figures = (cell.capacity.lambda_max, cell.capacity.mu)
        if figures == (policy.lambda_max, policy.mu) and offered([cell], [policy.option]):
            return cell
    return None


def _pushed(run: Run, cell: Cell) -> bool:
    """Whether this run pushed a policy after that measurement."""
    pushed = (one["document"] for one in run.api.evidence(cell.model_id, PUSHED) if one["run"] == run.id)
    return any(policy["derived_at_ms"] >= cell.at_ms for policy in pushed)


def _refreshed(run: Run, policy: ScalingPolicy, cell: Cell) -> float:
    """The target that is in force after the attempt to push what the cell says."""
    try:
        fresh = policy_from(run, cell)
        run.api.push_policy(policy.model, fresh.model_dump(mode="json"), run.id)
    except (Refused, Conflict) as error:
        run.progress(f"{policy.model}: the policy stays as it is: {error}")
        return policy.target_per_replica
    run.progress(f"{policy.model}: target {policy.target_per_replica:g} → {fresh.target_per_replica:g} requests/s")
    return fresh.target_per_replica
