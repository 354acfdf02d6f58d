"""What a re-profiling makes of the policies in force, on a real manager with two models in Production.

The cells are added as a measurement adds them: that one is made is tested in test_measuring and tests/e2e.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from seatrial.autoscale.derive import ScalingPolicy, derive
from seatrial.cli import main
from seatrial.client.manager_api import ManagerAPI
from seatrial.errors import ManagerUnavailable
from seatrial.hardware import HardwareOption
from seatrial.profiling.cell import Cell, NotQuiet, Objective
from seatrial.steps.deploy import deploy_to_staging
from seatrial.steps.reprofile import production_options, refresh_policies
from seatrial.steps.run import Run
from tests.managers import environ_of, managers
from tests.rollover import one_core, registered, run_of
from tests.unit.autoscale.test_derive_and_choose import cell

MODELS = ("moving", "steady")
CONDITIONS = {"machine": "a processor, 2 cores", "inference_server": "tritonserver 1", "measured_as": "1"}


@pytest.fixture(scope="module")
def manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManagerAPI]:
    home = tmp_path_factory.mktemp("home")
    with managers(environ_of(home)) as [api]:
        for name in MODELS:
            run = run_of(api, f"first-{name}")
            version = registered(home, run, name=name)
            deploy_to_staging(run, version["model_id"])
            api.move_stage(name, 1, "Production", who="a test", run=run.id, why="to begin with")
        yield api


Measure = Callable[..., Cell]


@pytest.fixture
def measured(manager: ManagerAPI) -> Measure:
    """A cell of version 1 that a run leaves: `lam` requests/s under the usual conditions, but for what is said."""

    def measure(run: str, model: str, lam: float, **other: Any) -> Cell:
        version = manager.model_version(model, 1)
        option = HardwareOption.model_validate(one_core(manager))
        named = {"key": f"{model}@1/{option.name}", "model": model, "model_id": version["model_id"], "option": option}
        found = cell(lam=lam).model_copy(update={**named, "at_ms": now_ms(), **CONDITIONS, **other})
        manager.add_evidence(found.model_id, "ProfileHardware", option.name, run, found.model_dump(mode="json"))
        return found

    return measure


def now_ms() -> int:
    return int(time.time() * 1000)


@pytest.fixture
def week(request: pytest.FixtureRequest, manager: ManagerAPI, measured: Measure) -> Run:
    """A weekly run; what is in force is what a promotion derived from 100 requests/s of each model."""
    name = request.node.name.removeprefix("test_")[:50]
    for model in MODELS:
        policy = derive(measured(f"source-{name}", model, 100.0), now_ms=now_ms())
        manager.push_policy(model, policy.model_dump(mode="json"), f"source-{name}")
    return run_of(manager, f"week-{name}")


def in_force(run: Run, model: str = "moving") -> ScalingPolicy:
    return ScalingPolicy.model_validate(run.api.policy(model))


def of_run(run: Run, kind: str, model: str = "moving") -> list[dict[str, Any]]:
    model_id = run.api.model_version(model, 1)["model_id"]
    return [one for one in run.api.evidence(model_id, kind) if one["run"] == run.id]


def test_what_is_planned_is_each_production_version_on_the_option_of_its_policy(week: Run) -> None:
    planned = production_options(week)
    assert [one["option"] for one in planned] == [one_core(week.api)] * 2
    assert {one["model_id"] for one in planned} == {in_force(week, model).model_id for model in MODELS}


def test_what_did_not_drift_is_kept_and_not_pushed_again(week: Run, measured: Measure) -> None:
    before = [in_force(week, model) for model in MODELS]
    for model in MODELS:
        measured(week.id, model, 103.0)
    found = refresh_policies(week, production_options(week))
    assert {model: of["verdict"] for model, of in found.items()} == dict.fromkeys(MODELS, "keep")
    assert [in_force(week, model) for model in MODELS] == before
    assert of_run(week, "PushAutoscaling") == []
    (kept,) = of_run(week, "Drift")
    assert (kept["key"], kept["document"]["verdict"]) == ("cpu-1x1", "keep")
    assert kept["document"]["before"]["lambda_max"] == 100.0
    assert kept["document"]["now"]["inference_server"] == CONDITIONS["inference_server"]


def test_a_slow_creep_is_seen_against_the_measurement_of_the_policy(week: Run, measured: Measure) -> None:
    measured(f"{week.id}-before", "moving", 103.0)
    measured(week.id, "moving", 106.0)
    assert refresh_policies(week, production_options(week))["moving"]["verdict"] == "refresh"


def test_what_drifted_is_refreshed_once_and_others_stay(week: Run, measured: Measure) -> None:
    steady, planned = in_force(week, "steady"), production_options(week)
    measured(week.id, "moving", 150.0)
    measured(week.id, "steady", 100.0)
    found = refresh_policies(week, planned)
    after = in_force(week)
    assert (found["moving"]["verdict"], found["steady"]["verdict"]) == ("refresh", "keep")
    assert (after.lambda_max, after.target_per_replica) == (150.0, found["moving"]["target_per_replica"])
    assert refresh_policies(week, planned) == found
    assert in_force(week) == after
    assert len(of_run(week, "Drift")) == len(of_run(week, "PushAutoscaling")) == 1
    assert in_force(week, "steady") == steady


def test_a_task_that_was_cut_off_between_verdict_and_push_pushes_then(
    week: Run, measured: Measure, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured(week.id, "moving", 150.0)
    measured(week.id, "steady", 100.0)

    def away(*_: Any) -> Any:
        raise ManagerUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(ManagerAPI, "push_policy", away)
        with pytest.raises(ManagerUnavailable):
            refresh_policies(week, production_options(week))
    assert in_force(week).lambda_max == 100.0
    assert refresh_policies(week, production_options(week))["moving"]["verdict"] == "refresh"
    assert in_force(week).lambda_max == 150.0


def test_an_alarm_lowers_the_target_and_stays_an_alarm_when_asked_again(
    week: Run, measured: Measure, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before, planned = in_force(week), production_options(week)
    measured(week.id, "moving", 60.0)
    measured(week.id, "steady", 100.0)
    found = refresh_policies(week, planned)
    assert found["moving"]["verdict"] == "alarm"
    assert found["moving"]["target_per_replica"] == in_force(week).target_per_replica < 0.7 * before.target_per_replica
    assert refresh_policies(week, planned) == found, "although the policy in force is safe by now"
    assert found["steady"]["verdict"] == "keep"
    monkeypatch.setenv("SEATRIAL_HOME", week.api.health()["home"])
    main(["show", "moving@1"])
    assert "drift since the policy (Drift): alarm: today 60 requests/s" in capsys.readouterr().out


def test_measured_again_in_the_same_run_it_is_judged_again(week: Run, measured: Measure) -> None:
    """A person clears the disturbed measurement; the policy that came from it does not stay."""
    planned = production_options(week)
    measured(week.id, "moving", 60.0)
    assert refresh_policies(week, planned)["moving"]["verdict"] == "alarm"
    measured(week.id, "moving", 100.0)
    assert refresh_policies(week, planned)["moving"]["verdict"] == "refresh"
    assert in_force(week).lambda_max == 100.0


def test_what_could_not_be_measured_is_an_alarm_and_its_policy_stays(week: Run, measured: Measure) -> None:
    before = in_force(week)
    reason = "machine not quiet, 3 windows in a row: other work used 0.92 of the server's 1 core(s)"
    busy = NotQuiet(
        option=before.option, objective=Objective(latency_ms=100), machine="", reason=reason, at_ms=now_ms()
    )
    week.api.add_evidence(before.model_id, "MachineNotQuiet", "cpu-1x1", week.id, busy.model_dump(mode="json"))
    found = refresh_policies(week, production_options(week))
    assert found["moving"]["verdict"] == found["steady"]["verdict"] == "alarm"
    assert reason in found["moving"]["sentence"]
    assert "this run did not measure cpu-1x1" in found["steady"]["sentence"]
    assert in_force(week) == before


@pytest.mark.parametrize("lam", [100.0, 101.0])
def test_the_same_figures_on_another_machine_are_a_new_policy_that_says_so(
    week: Run, measured: Measure, lam: float
) -> None:
    before, said = in_force(week), list[str]()
    measured(week.id, "moving", lam, machine="another, 64 cores", measured_as="2")
    run = Run(api=week.api, id=week.id, who=week.who, deadline=week.deadline, progress=said.append)
    assert refresh_policies(run, production_options(week))["moving"]["verdict"] == "refresh"
    assert in_force(week).derived_at_ms > before.derived_at_ms
    (told,) = (line for line in said if line.startswith("moving@1 on cpu-1x1: "))
    assert f"today {lam:g} requests/s [95" in told
    assert "100 requests/s [95, 105]" in told
    assert "machine: a processor, 2 cores → another, 64 cores" in told


def test_what_left_production_or_its_option_since_is_left_alone(week: Run, measured: Measure) -> None:
    measured(week.id, "steady", 50.0)
    other = {**one_core(week.api), "name": "cpu-2x2"}
    planned = [
        {"model_id": in_force(week, "steady").model_id, "option": other},
        {"model_id": 4711, "option": one_core(week.api)},
    ]
    assert refresh_policies(week, planned) == {}
    assert of_run(week, "Drift", "steady") == []


def test_evidence_that_is_no_verdict_is_no_judgement(week: Run, measured: Measure) -> None:
    planned = [one for one in production_options(week) if one["model_id"] == in_force(week).model_id]
    measured(week.id, "moving", 100.0)
    week.api.add_evidence(in_force(week).model_id, "Drift", "cpu-1x1", week.id, {"no": "verdict"})
    assert refresh_policies(week, planned)["moving"]["verdict"] == "keep"


def test_a_policy_whose_measurement_is_not_kept_is_refreshed(week: Run, measured: Measure) -> None:
    unknown = in_force(week).model_copy(update={"lambda_max": 99.0})
    week.api.push_policy("moving", unknown.model_dump(mode="json"), "by-hand")
    measured(week.id, "moving", 100.0)
    assert refresh_policies(week, production_options(week))["moving"]["verdict"] == "refresh"
