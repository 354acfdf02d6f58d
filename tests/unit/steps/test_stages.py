"""What the stages of a measurement make of the evidence that their run has kept so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from seatrial.errors import Refused
from seatrial.steps.measuring import cell_of_run
from seatrial.steps.run import Run
from seatrial.waiting import Deadline
from tests.unit.autoscale.test_derive_and_choose import cell


@dataclass
class Kept:
    """The part of a manager that the stages ask before they put load on anything."""

    documents: list[dict[str, Any]] = field(default_factory=list)

    def evidence(self, model_id: int, kind: str) -> list[dict[str, Any]]:
        return [one for one in self.documents if one["kind"] == kind]


def run(kept: Kept) -> Run:
    return Run(api=kept, id="this", who="a test", deadline=Deadline.after(60), progress=print)  # type: ignore[arg-type]


def kept(kind: str, name: str, of: str = "this", **capacity: Any) -> dict[str, Any]:
    return {"kind": kind, "run": of, "key": name, "document": cell(name, **capacity).model_dump(mode="json")}


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
