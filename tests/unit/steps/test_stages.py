"""What the stages of a measurement make of the evidence that their run has kept so far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from seatrial.errors import Refused
from seatrial.hardware import HardwareOption
from seatrial.nvml import Gpu, Gpus
from seatrial.steps import profile_hardware
from seatrial.steps.measuring import cell_of_run
from seatrial.steps.profile_hardware import impossible, to_measure, to_verify, was_verified, why_no_survey
from seatrial.steps.run import Run
from seatrial.waiting import Deadline
from tests.unit.autoscale.test_derive_and_choose import cell


@dataclass
class Kept:
    """The part of a manager that the stages ask before they put load on anything."""

    documents: list[dict[str, Any]]
    options: list[HardwareOption] = field(default_factory=list)
    asked: int = 0
    size: int | None = None

    def health(self) -> dict[str, Any]:
        self.asked += 1
        return {"machine": {"cores": 8}, "options": [option.model_dump(mode="json") for option in self.options]}

    def model_bytes(self, model_id: int) -> int | None:
        return self.size

    def evidence(self, model_id: int, kind: str) -> list[dict[str, Any]]:
        return [one for one in self.documents if one["kind"] == kind]


WAS = {name: HardwareOption(name=name, cores=cores) for cores, name in enumerate(("a", "b", "c"), start=1)}
DEARER = [WAS["b"].model_copy(update={"price": 9.0}), WAS["c"]]
"""The options file since: `a` is no longer in it, and `b` has another price."""


def run(kept: Kept) -> Run:
    return Run(api=kept, id="this", who="a test", deadline=Deadline.after(60), progress=print)  # type: ignore[arg-type]


def kept(kind: str, name: str, of: str = "this", **capacity: Any) -> dict[str, Any]:
    found = cell(name, **capacity).model_copy(update={"option": WAS[name]}) if name in WAS else cell(name, **capacity)
    return {"kind": kind, "run": of, "key": name, "document": found.model_dump(mode="json")}


def test_a_policy_follows_from_what_its_own_run_measured() -> None:
    evidence = [
        {**kept("ProfileHardware", "cpu"), "document": {"no": "cell"}},
        kept("ProfileHardware", "cpu", lam=30),
        kept("ProfileHardware", "cpu", of="another", lam=90),
        kept("ProfileHardware", "other", of="another"),
    ]
    assert cell_of_run(run(Kept(evidence)), 7, "cpu").capacity.lambda_max == 30
    with pytest.raises(Refused, match="this run did not measure other"):
        cell_of_run(run(Kept(evidence)), 7, "other")


def test_the_options_of_now_are_measured_at_their_present_price() -> None:
    surveyed = [kept("SurveyHardware", name, lam=lam) for name, lam in (("a", 300), ("b", 200), ("c", 100))]
    for options, names in ((list(WAS.values()), ["a", "b", "c"]), (DEARER, ["c", "b"])):
        manager = run(Kept(surveyed, options))
        found = [to_measure(manager, 7, place) for place in range(len(names))]
        assert found == [next(o for o in options if o.name == name).model_dump(mode="json") for name in names]


def test_the_options_of_now_are_verified_at_their_present_price() -> None:
    measured = [kept("ProfileHardware", name, lam=lam) for name, lam in (("a", 300), ("b", 200), ("c", 100))]
    assert to_verify(run(Kept(measured, DEARER)), 7, 0) == WAS["c"].model_dump(mode="json")


@pytest.mark.parametrize(
    "decide",
    [
        lambda asked: to_measure(asked, 7, 1),
        lambda asked: to_verify(asked, 7, 1),
        lambda asked: why_no_survey(asked, 7, WAS["a"].model_dump(mode="json")),
    ],
)
def test_what_is_next_is_decided_on_one_look_at_the_options(decide: Callable[[Run], object]) -> None:
    """Else they may change between two looks, and a cell of one kind is compared with what is not offered."""
    manager = Kept([kept("SurveyHardware", name) for name in WAS], list(WAS.values()))
    decide(run(manager))
    assert manager.asked == 1


def test_what_a_long_level_has_verified_once_is_known_to_have_been() -> None:
    """Also where a weekly run measured it since without one."""
    evidence = [
        kept("ProfileHardware", "a", of="weekly"),
        kept("ProfileHardware", "a", of="first", verified_s=40),
        kept("ProfileHardware", "b", of="first"),
    ]
    found = [was_verified(run(Kept(evidence)), 7, WAS[name]) for name in "abc"]
    assert found == [True, False, False]


@pytest.mark.parametrize(("size", "fits"), [(7_600_000_000, False), (1_000_000_000, True), (None, True)])
def test_an_option_whose_gpu_memory_the_weights_do_not_fit_is_neither_surveyed_nor_measured(
    monkeypatch: pytest.MonkeyPatch, size: int | None, fits: bool
) -> None:
    t4 = Gpu(0, "GPU-0", "Tesla T4", 15068, "7.5", "default")
    monkeypatch.setattr(profile_hardware, "find_gpus", lambda: Gpus((t4,)))
    manager = run(Kept([], size=size))
    half = HardwareOption(name="half", device="gpu", gpu="T4", mps_share=0.5).model_dump(mode="json")
    for why in (impossible(manager, 7, half), why_no_survey(manager, 7, half)):
        assert why == (None if fits else "1 instance of 7.6 GB of weights and 0.5 GB do not fit 1/2 of 15.8 GB")
    assert impossible(manager, 7, WAS["a"].model_dump(mode="json")) is None
