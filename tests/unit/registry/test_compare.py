"""Two versions side by side: exactly the facts that differ, each with both values."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from seatrial.registry.compare import SECTIONS, compare, facts
from seatrial.registry.dossier import dossier
from tests.unit.registry.test_history import evidence
from tests.unit.registry.test_query import version_of

values = st.one_of(st.integers(-9, 9), st.text(max_size=3), st.booleans(), st.floats(-1, 1))
params = st.dictionaries(st.sampled_from("abcd"), values, max_size=4)


def dossier_of(**fields: Any) -> dict[str, Any]:
    documents = fields.pop("evidence", [])
    return dossier(version_of(**fields), [], documents, fields.pop("files", {}), kept=True)


def cell(id: int, option: str, at_ms: int, **capacity: float) -> Any:
    return evidence(id, "ProfileHardware", option, at_ms, option={"name": option}, capacity=capacity)


@given(params, params)
def test_what_differs_is_shown_with_both_values_and_all_else_is_counted(left: Any, right: Any) -> None:
    found = compare(dossier_of(hyper_parameters=left), dossier_of(hyper_parameters=right))
    differing = found["sections"]["hyper_parameters"]
    for name in {*left, *right}:
        if name in left and name in right and left[name] == right[name]:
            assert name not in differing
        else:
            assert (differing[name]["left"], differing[name]["right"]) == (left.get(name), right.get(name))
    assert len(differing) + found["same"]["hyper_parameters"] == len({*left, *right})


@given(params)
def test_a_version_does_not_differ_from_itself(kept: Any) -> None:
    one = dossier_of(hyper_parameters=kept, manifest={"a": {"b": kept}}, evidence=[cell(1, "cpu-1x1", 1, mu=2.0)])
    found = compare(one, one)
    assert not any(found["sections"].values())
    assert list(found["sections"]) == list(SECTIONS)


def test_numbers_show_their_change_and_the_newest_measurement_of_each_option_counts() -> None:
    before = dossier_of(metrics={"f1": 0.5}, evidence=[cell(1, "cpu-1x1", 1, mu=2.0, lambda_max=1.0)])
    again = [cell(1, "cpu-1x1", 1, mu=2.0), cell(2, "cpu-1x1", 2, mu=5.0), cell(3, "cpu-2x2", 3, mu=7.0)]
    after = dossier_of(metrics={"f1": 0.75}, evidence=again)
    found = compare(before, after)["sections"]
    assert found["metrics"]["f1"] == {"left": 0.5, "right": 0.75, "change": 0.25}
    assert found["capacity"]["cpu-1x1.mu"]["change"] == 3.0
    assert found["capacity"]["cpu-2x2.mu"] == {"left": None, "right": 7.0}


def test_manifest_fields_are_compared_by_their_path_and_verdicts_by_their_parts() -> None:
    part = {"name": "latency", "value": 1.5}
    one = dossier_of(
        manifest={"objective": {"latency_ms": 150}, "samples": ["a"], "metrics": {"f1": 1}},
        evidence=[evidence(1, "ShadowValidate", "report", 1, verdict="PASS", parts=[part, "odd"])],
    )
    assert facts(one, "manifest") == {"objective.latency_ms": 150, "samples": ["a"]}
    assert facts(one, "verdicts") == {"ShadowValidate": "PASS", "ShadowValidate.latency": 1.5}
