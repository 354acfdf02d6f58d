from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from seatrial.errors import Refused
from seatrial.shadow.comparison import compare_tensors
from seatrial.shadow.limits import limits_for
from seatrial.shadow.verdict import Seen, errors_part, latency_part, tensors_part, worst

LIMITS = limits_for({"comparison_class": "same-graph-fp32"})
ARRAYS = hnp.arrays(np.float32, hnp.array_shapes(max_dims=3, max_side=5), elements=st.floats(-100, 100, width=32))


@given(ARRAYS)
def test_equal_tensors_pass(array: np.ndarray) -> None:  # type: ignore[type-arg]
    assert all(found.passed for found in compare_tensors({"y": array}, {"y": array.copy()}, LIMITS))


@given(ARRAYS, st.data())
def test_one_nan_fails_and_is_named(array: np.ndarray, data: st.DataObject) -> None:  # type: ignore[type-arg]
    other = array.copy()
    at = tuple(data.draw(st.integers(0, side - 1)) for side in array.shape)
    other[at] = np.nan
    (found,) = compare_tensors({"y": array}, {"y": other}, LIMITS)
    assert (found.flaw, found.worst_index) == ("NaN or Inf", at)


@pytest.mark.parametrize(
    ("candidate", "flaw"),
    [
        ({}, "missing layer"),
        ({"y": np.zeros(4, np.float64)}, "dtype"),
        ({"y": np.zeros(5, np.float32)}, "shape"),
        ({"y": np.full(4, 0.01, np.float32)}, "values"),
    ],
)
def test_a_flaw_has_its_name(candidate: dict[str, np.ndarray], flaw: str) -> None:  # type: ignore[type-arg]
    (found,) = compare_tensors({"y": np.zeros(4, np.float32)}, candidate, LIMITS)
    assert found.flaw == flaw


def test_a_retrained_model_without_its_own_limit_is_refused() -> None:
    with pytest.raises(Refused, match="rtol"):
        limits_for({"comparison_class": "retrained"})


def _decide(random: np.random.Generator, share: float) -> str:
    seen = Seen()
    for _ in range(5000):
        seen.compared += 1
        seen.candidate_only += int(random.random() < share)
        if seen.compared % 50 == 0:
            verdict = tensors_part(seen, LIMITS, noise=False).verdict
            if verdict != "UNDECIDED":
                return verdict
    return "UNDECIDED"


def test_error_rates_are_those_that_were_promised() -> None:
    random = np.random.default_rng(3)
    good = [_decide(random, 0.0005) for _ in range(150)]
    bad = [_decide(random, 0.02) for _ in range(150)]
    assert good.count("PASS") >= 0.95 * len(good)
    assert bad.count("PASS") <= 0.05 * len(bad)


def test_chance_beside_noise_is_not_held_against_the_candidate_more_often_than_was_promised() -> None:
    """Both differ from Production in 5 % of the requests by chance; the candidate in 0.1 % besides."""
    random, refused = np.random.default_rng(4), 0
    for _ in range(200):
        seen = Seen()
        while seen.compared < 5000:
            b, a, both, _ = random.multinomial(50, [0.0485, 0.0475, 0.0025, 0.9015])
            seen.compared, seen.candidate_only = seen.compared + 50, seen.candidate_only + int(b)
            seen.noise_only, seen.both = seen.noise_only + int(a), seen.both + int(both)
            if (verdict := tensors_part(seen, LIMITS, noise=True).verdict) != "UNDECIDED":
                refused += verdict == "FAIL"
                break
    assert refused <= 0.075 * 200


def test_no_pass_before_the_least_number_of_requests() -> None:
    assert tensors_part(Seen(compared=199), LIMITS, noise=False).verdict == "UNDECIDED"
    assert tensors_part(Seen(compared=400), LIMITS, noise=False).verdict == "PASS"


def test_what_production_does_itself_is_not_held_against_the_candidate() -> None:
    noisy = Seen(compared=1000, candidate_only=10, noise_only=10)
    assert tensors_part(noisy, LIMITS, noise=True).verdict != "FAIL"
    worse = Seen(compared=1000, candidate_only=40, noise_only=5)
    assert tensors_part(worse, LIMITS, noise=True).verdict == "FAIL"


def test_failed_requests_beyond_production_fail() -> None:
    assert errors_part(Seen(sent=400, candidate_failed=10), LIMITS, noise=True).verdict == "FAIL"
    assert errors_part(Seen(sent=400, candidate_failed=10, base_failed=10), LIMITS, noise=True).verdict == "PASS"


@pytest.mark.parametrize(("factor", "verdict"), [(0.9, "PASS"), (1.0, "PASS"), (1.5, "FAIL")])
def test_latency_is_judged_by_its_interval(factor: float, verdict: str) -> None:
    random = np.random.default_rng(4)
    base = random.normal(0.02, 0.0005, 400)
    candidate = random.normal(0.02, 0.0005, 400) * factor
    seen = Seen(base_s=list(base), candidate_s=list(candidate))
    assert latency_part(seen, LIMITS, seed=1).verdict == verdict


def test_too_few_pairs_are_no_evidence_and_the_worst_part_decides() -> None:
    latency = latency_part(Seen(), LIMITS, seed=1)
    assert latency.verdict == "UNDECIDED"
    assert worst([tensors_part(Seen(compared=400), LIMITS, noise=False), latency]) == "UNDECIDED"
    assert worst([]) == "UNDECIDED"
