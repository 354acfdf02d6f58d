from __future__ import annotations

import pytest

from seatrial.errors import DeadlineExceeded
from seatrial.waiting import Deadline, wait_until


def test_the_found_value_is_returned_and_nothing_is_asked_after() -> None:
    answers = iter([None, 0, "ready", "never asked"])
    assert wait_until(lambda: next(answers), Deadline.after(60), "ready", first_s=0) == "ready"
    assert next(answers) == "never asked"


def test_a_passed_deadline_still_asks_once_and_then_says_what_it_waited_for() -> None:
    asked = []
    with pytest.raises(DeadlineExceeded, match="the server answers"):
        wait_until(lambda: asked.append(1), Deadline.after(0), "the server answers")
    assert asked == [1]


def test_the_sooner_deadline_wins() -> None:
    far = Deadline.after(100)
    assert far.sooner(1).left_s <= 1
    assert far.sooner(1000) == far
