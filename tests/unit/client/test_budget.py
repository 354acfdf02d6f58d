from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from seatrial.client.budget import Budget


def test_a_budget_that_is_spent_is_earned_again_by_answers() -> None:
    budget = Budget(0.5, 2.0)
    assert [budget.take() for _ in range(3)] == [True, True, False]
    for _ in range(2):
        budget.earn()
    assert [budget.take() for _ in range(2)] == [True, False]


@given(st.lists(st.booleans()))
def test_it_is_spent_until_answers_have_earned_the_burst_and_never_holds_more(takes: list[bool]) -> None:
    budget, taken = Budget(0.25, 3.0), 0
    for take in takes:
        taken += budget.take() if take else 0
        if not take and budget.spent:
            budget.earn()
    assert taken <= 3 + 0.25 * takes.count(False)
    while budget.spent:
        budget.earn()
    assert [budget.take() for _ in range(4)] == [True, True, True, False]
