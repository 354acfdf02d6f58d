from __future__ import annotations

from typing import Any

import pytest

from seatrial.client.news import PAUSES_S, QUICK_S, WAIT_S, Following
from seatrial.errors import Forbidden, ManagerUnavailable

DOCUMENT: dict[str, Any] = {"models": {}}


def _following() -> Following:
    return Following(jitter=lambda: 1.0)


def test_the_first_question_does_not_wait_and_the_next_waits_for_news_of_what_is_known() -> None:
    following = _following()
    assert (following.etag, following.wait_s) == (None, 0.0)
    assert following.heard(DOCUMENT, '"1"') == 0.0
    assert (following.etag, following.wait_s) == ('"1"', WAIT_S)


def test_the_last_routes_stay_while_the_manager_is_away_and_pauses_grow() -> None:
    following = _following()
    following.heard(DOCUMENT, '"1"')
    routes = following.news.routes
    pauses = [following.failed(ManagerUnavailable("away")) for _ in range(len(PAUSES_S) + 1)]
    assert pauses == [*PAUSES_S, PAUSES_S[-1]]
    assert following.news.routes is routes
    following.nothing_new(WAIT_S)
    assert following.failed(ManagerUnavailable("away again")) == PAUSES_S[0]


def test_every_change_counts() -> None:
    following = _following()
    revisions = [following.news.revision]
    for change in (
        lambda: following.failed(ManagerUnavailable("away")),
        lambda: following.recalled(DOCUMENT),
        lambda: following.heard(DOCUMENT, '"1"'),
    ):
        change()
        revisions.append(following.news.revision)
    assert revisions == sorted(set(revisions))


def test_something_that_does_not_wait_is_not_asked_without_a_pause() -> None:
    following = _following()
    following.heard(DOCUMENT, '"1"')
    assert following.nothing_new(0.001) == QUICK_S
    assert following.nothing_new(WAIT_S) == 0.0


@pytest.mark.parametrize(("error", "hopeless"), [(Forbidden("token"), True), (ManagerUnavailable("away"), False)])
def test_a_wrong_token_is_not_waited_for(error: Forbidden | ManagerUnavailable, hopeless: bool) -> None:
    following = _following()
    following.failed(error)
    assert following.news.hopeless is hopeless


def test_questions_and_pauses_are_spread() -> None:
    pauses = {Following().failed(ManagerUnavailable("away")) for _ in range(20)}
    assert len(pauses) == 20
    assert all(PAUSES_S[0] / 2 <= pause <= PAUSES_S[0] * 1.5 for pause in pauses)
