from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from seatrial.errors import Refused
from seatrial.shadow.comparison import compare_tensors
from seatrial.shadow.limits import limits_for
from seatrial.shadow.record import Record, Requests
from seatrial.shadow.verdict import distribution_part, errors_part, latency_part, tensors_part, worst

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


def test_a_retrained_model_needs_no_rtol_for_what_is_not_compared_by_numbers() -> None:
    comparison = {"comparison_class": "retrained", "outputs": {"y": {"kind": "label"}}}
    assert limits_for(comparison, ["y"]).rtol == 0
    with pytest.raises(
        Refused, match=r"how far z may be .* \(12 weights differ\)|counts as retrained \(12 weights differ\)"
    ):
        limits_for(comparison, ["y", "z"], "12 weights differ")
    own = {"comparison_class": "retrained", "outputs": {"y": {"kind": "values", "rtol": 0.1}}}
    assert limits_for(own, ["y"]).of("y").rtol == 0.1


def test_a_retrained_model_without_its_own_limit_is_refused() -> None:
    with pytest.raises(Refused, match="rtol"):
        limits_for({"comparison_class": "retrained"})


@pytest.mark.parametrize("tests", [{}, {"error_bad": 0.002}, {"p_bad": 0.002, "error_bad": 0.5}, {"beta": 0.2}])
def test_so_few_requests_that_nothing_could_pass_are_refused_and_one_more_is_enough(tests: dict[str, float]) -> None:
    def passes(sent: int) -> bool:
        limits = limits_for({**tests, "max_requests": sent})
        record = recorded("." * sent)
        parts = (tensors_part(record, limits, noise=True), errors_part(record, limits, noise=True))
        return {part.verdict for part in parts} == {"PASS"}

    with pytest.raises(
        Refused, match=r"max_requests: no version passes by 200 requests \(limit: \d+ or more"
    ) as refused:
        limits_for({**tests, "max_requests": 200})
    (least,) = re.findall(r"limit: (\d+) or more", str(refused.value))
    assert passes(int(least))
    with pytest.raises(Refused):
        passes(int(least) - 1)


def recorded(outcomes: str, production_ms: float | None = 1.0, staging_ms: float | None = 1.0) -> Record:
    count = len(outcomes)
    return Record(
        Requests(
            sources={"a": "sample"},
            which=(0,) * count,
            production_ms=(production_ms,) * count,
            production_again_ms=(None,) * count,
            staging_ms=(staging_ms,) * count,
            staging_again_ms=(None,) * count,
            outcomes=outcomes,
        )
    )


def _decide(random: np.random.Generator, share: float) -> str:
    outcomes = ""
    for _ in range(5000):
        outcomes += "b" if random.random() < share else "."
        if len(outcomes) % 50 == 0:
            verdict = tensors_part(recorded(outcomes), LIMITS, noise=False).verdict
            if verdict != "UNDECIDED":
                return verdict
    return "UNDECIDED"


def test_error_rates_are_those_that_were_promised() -> None:
    random = np.random.default_rng(3)
    good = [_decide(random, 0.0005) for _ in range(150)]
    bad = [_decide(random, 0.02) for _ in range(150)]
    assert good.count("PASS") >= 0.95 * len(good)
    assert bad.count("PASS") <= 0.02 * len(bad)


def test_chance_beside_noise_is_not_held_against_the_candidate_more_often_than_was_promised() -> None:
    """Both differ from Production in 5 % of the requests by chance; the candidate in 0.1 % besides."""
    random, refused = np.random.default_rng(4), 0
    for _ in range(200):
        outcomes = ""
        while len(outcomes) < 5000:
            counts = random.multinomial(50, [0.0485, 0.0475, 0.0025, 0.9015])
            outcomes += "".join(letter * count for letter, count in zip("ba2.", counts, strict=True))
            if (verdict := tensors_part(recorded(outcomes), LIMITS, noise=True).verdict) != "UNDECIDED":
                refused += verdict == "FAIL"
                break
    assert refused <= 0.075 * 200


def test_no_pass_before_the_least_number_of_requests() -> None:
    assert tensors_part(recorded(199 * "."), LIMITS, noise=False).verdict == "UNDECIDED"
    soon = LIMITS.model_copy(update={"min_requests": 700})
    assert tensors_part(recorded(600 * "."), LIMITS, noise=False).verdict == "PASS"
    assert tensors_part(recorded(600 * "."), soon, noise=False).verdict == "UNDECIDED"


def test_what_production_does_itself_is_not_held_against_the_candidate() -> None:
    noisy = recorded("b" * 10 + "a" * 10 + "." * 980)
    assert tensors_part(noisy, LIMITS, noise=True).verdict != "FAIL"
    worse = recorded("b" * 40 + "a" * 5 + "." * 955)
    assert tensors_part(worse, LIMITS, noise=True).verdict == "FAIL"


@pytest.mark.parametrize(("production_fails", "verdict"), [(False, "FAIL"), (True, "PASS")])
def test_failed_requests_beyond_production_fail(production_fails: bool, verdict: str) -> None:
    record = recorded("." * 1190)
    for _ in range(10):
        record.add("a", "sample", None if production_fails else 0.001, None, "f")
    assert errors_part(record, LIMITS, noise=True).verdict == verdict


def test_few_requests_do_not_show_that_few_fail() -> None:
    assert errors_part(recorded("." * 400), LIMITS, noise=True).verdict == "UNDECIDED"
    assert errors_part(recorded("." * 400 + "s" * 800), LIMITS, noise=True).verdict == "PASS"


def test_one_of_two_hundred_that_fails_is_seldom_overlooked() -> None:
    random, promoted = np.random.default_rng(6), 0
    for _ in range(300):
        outcomes, verdict = "", "UNDECIDED"
        while verdict == "UNDECIDED" and len(outcomes) < 5000:
            outcomes += "".join("f" if fails else "." for fails in random.random(50) < 0.005)
            verdict = errors_part(_failing(outcomes), LIMITS, noise=True).verdict
        promoted += verdict == "PASS"
    assert promoted <= 0.03 * 300


def _failing(outcomes: str) -> Record:
    """In which Staging failed alone where f is."""
    kept = recorded(outcomes).requests
    return Record(kept.model_copy(update={"staging_ms": tuple(None if one == "f" else 1.0 for one in outcomes)}))


@pytest.mark.parametrize(("factor", "verdict"), [(0.9, "PASS"), (1.0, "PASS"), (1.5, "FAIL")])
def test_latency_is_judged_by_its_interval(factor: float, verdict: str) -> None:
    random = np.random.default_rng(4)
    base = random.normal(0.02, 0.0005, 400)
    candidate = random.normal(0.02, 0.0005, 400) * factor
    record = Record()
    for first, second in zip(base, candidate, strict=True):
        record.add("a", "sample", first, second, ".", undisturbed=(True, False))
    assert latency_part(record, LIMITS, seed=1).verdict == verdict


def test_of_a_production_that_always_answers_others_too_latency_stays_undecided() -> None:
    record = Record()
    for _ in range(400):
        record.add("a", "sample", 0.03, 0.02, ".", (0.03, 0.02))
    assert latency_part(record, LIMITS, seed=1).verdict == "UNDECIDED"


def test_a_retrained_model_does_not_pass_before_its_distribution_can_be_seen() -> None:
    retrained = limits_for({"comparison_class": "retrained", "rtol": 0.1})
    part = distribution_part({}, 20, retrained)
    assert part is not None
    assert part.verdict == "UNDECIDED"
    assert distribution_part({}, 100, retrained) is None, "no output has numbers"
    assert distribution_part({}, 20, LIMITS) is None, "each element is compared"


def test_too_few_pairs_are_no_evidence_and_the_worst_part_decides() -> None:
    latency = latency_part(Record(), LIMITS, seed=1)
    assert latency.verdict == "UNDECIDED"
    assert worst([tensors_part(recorded(600 * "."), LIMITS, noise=False), latency]) == "UNDECIDED"
    assert worst([]) == "UNDECIDED"
