"""Two real managers on one PostgreSQL store: each race has one winner, and the others are told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ml_metadata", reason="the manager runs in its own environment only")

from seatrial.client.manager_api import ManagerAPI
from seatrial.errors import Conflict
from seatrial.formats.check import check_upload
from seatrial.manager.__main__ import _listen
from tests.managers import environ_of, managers
from tests.models import write_upload

Two = list[ManagerAPI]
RACES = 200


@pytest.fixture(scope="module")
def uploads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("uploads")


@pytest.fixture(scope="module", params=["postgres", "mariadb"])
def two(request: pytest.FixtureRequest, uploads: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    """Both are started at the same moment, on an empty store."""
    database = request.getfixturevalue(request.param).new_database()
    store = {"SEATRIAL_REGISTRY": database, "SEATRIAL_UPLOADS": str(uploads)}
    homes = [tmp_path_factory.mktemp("home") for _ in range(2)]
    with managers(*(environ_of(home, **store) for home in homes)) as apis:
        yield apis


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """What each call returns or raises; none begins before all are ready to."""
    ready = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        ready.wait()
        try:
            return call()
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def registering(api: ManagerAPI, upload: Path) -> Callable[[], Any]:
    report = check_upload(upload).model_dump(mode="json")
    return lambda: api.register(report["manifest"]["name"], upload=str(upload), report=report, run="race")


def moving(api: ManagerAPI, version: int, expected: int) -> Callable[[], Any]:
    def move() -> Any:
        who = f"manager of @{version}"
        return api.move_stage("racing", version, "Production", who=who, run="r", why="w", expect_production=expected)

    return move


def test_two_managers_started_at_the_same_moment_listen_on_two_ports(two: Two) -> None:
    assert two[0].url != two[1].url
    assert two[0].health()["pid"] != two[1].health()["pid"]


def test_a_port_is_taken_from_the_moment_it_is_found() -> None:
    with _listen("127.0.0.1", 8890) as one, _listen("127.0.0.1", one.getsockname()[1]) as other:
        assert one.getsockname() != other.getsockname()


def test_racing_registrations_of_different_files_get_two_numbers(two: Two, uploads: Path) -> None:
    for at in range(10):
        folders = [write_upload(uploads / f"different-{at}-{me}", name="unlike", scale=at + me / 2) for me in (0, 1)]
        answers = at_once(*(registering(api, folder) for api, folder in zip(two, folders, strict=True)))
        assert [answer["created"] for answer in answers] == [True, True]
        assert {answer["version"]["version"] for answer in answers} == {2 * at + 1, 2 * at + 2}
        assert len({answer["version"]["tree_digest"] for answer in answers}) == 2
    versions = two[0].model("unlike")["versions"]
    assert [version["version"] for version in versions] == list(range(1, 21))
    assert versions == two[1].model("unlike")["versions"]


def test_racing_registrations_of_the_same_files_make_one_version(two: Two, uploads: Path) -> None:
    for at in range(10):
        folder = write_upload(uploads / f"same-{at}", name="alike", scale=float(at))
        answers = at_once(*(registering(api, folder) for api in two))
        assert sorted(answer["created"] for answer in answers) == [False, True]
        assert answers[0]["version"] == answers[1]["version"]
        assert answers[0]["version"]["version"] == at + 1
        assert len(two[0].evidence(answers[0]["version"]["model_id"], "CheckFormat")) == 1


def test_of_racing_promotions_that_expect_the_same_production_one_wins_each_time(two: Two, uploads: Path) -> None:
    for scale in (1.0, 2.0, 3.0):
        registering(two[0], write_upload(uploads / f"racing-{scale}", name="racing", scale=scale))()
    for version, stage in [(1, "Archived"), (2, "Archived"), (3, "Staging"), (3, "Production")]:
        two[0].move_stage("racing", version, stage, who="ann", run="r", why="w")
    production, won, begin = 3, [], len(two[0].ledger("racing"))
    for _ in range(RACES):
        contenders = [version for version in (1, 2, 3) if version != production]
        calls = (moving(api, version, production) for api, version in zip(two, contenders, strict=True))
        winners: list[Any] = []
        losers: list[Any] = []
        for answer in at_once(*calls):
            (losers if isinstance(answer, Exception) else winners).append(answer)
        assert [type(loser) for loser in losers] == [Conflict]
        assert [winner["displaced"] for winner in winners] == [production]
        production = winners[0]["version"]
        won.append(winners[0])
    ledger = two[0].ledger("racing")
    assert ledger == two[1].ledger("racing")
    assert ledger[begin:] == won
    assert [move["seq"] for move in ledger] == list(range(1, begin + RACES + 1))
    assert two[1].model("racing")["stages"]["local"]["production"] == production
