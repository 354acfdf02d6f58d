from __future__ import annotations

import logging
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.errors import SeatrialError, TryAgain
from seatrial.storage.port import Entry
from seatrial.uploads.attention import LEAST, LINGER_S, UPLOADS_AGAIN_S
from seatrial.uploads.done import CompleteUpload
from seatrial.uploads.watch import Watch
from tests.unit.uploads.trees import ROOT, Tree

SETTLE_S, POLL_S, MOST_FILES = 5.0, 2.0, 20
OLD = 12  # more old uploads than are looked into again at one poll


class Airflow:
    """Whoever starts runs: `started` are the runs, and what a restarted watcher finds on record is the last of each."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.started: list[CompleteUpload] = []
        self.now_s = 0.0
        self.restart()

    def restart(self) -> None:
        done = {upload.name: upload for upload in self.started}
        self.watch = Watch(self.tree.entries, lambda path: f"{ROOT}/{path}", SETTLE_S, done.get, MOST_FILES)

    def poll(self) -> list[CompleteUpload]:
        """What was told for the first time."""
        had = {upload.identity for upload in self.started}
        there = {upload.identity for upload in self.tree.uploads()}
        new = [upload for upload in self.watch.poll(self.now_s) if upload.identity not in had]
        assert {upload.identity for upload in new} <= there, "only what is there can be complete"
        self.started += new
        return new

    def wait(self, seconds: float) -> None:
        self.now_s += seconds
        self.tree.now_ns += int(seconds * 1e9)

    def polls(self, number: int) -> list[CompleteUpload]:
        """So many polls, one after the other."""
        found: list[CompleteUpload] = []
        for _ in range(number):
            found += self.poll()
            self.wait(POLL_S)
        return found


def quiet(uploads: int, made: str = "old-{}") -> Airflow:
    """So many uploads, all with their run long ago."""
    airflow = Airflow(Tree())
    for number in range(uploads):
        airflow.tree.send(made.format(number))
    airflow.polls(12)
    assert len(airflow.started) == uploads
    return airflow


FOLDERS = st.sampled_from(["a", "b", "old-1", "g/a", "g/b", "g", ".incoming-9"])
FILES = st.sampled_from(["model.yaml", "_SUCCESS", "samples/a", "deep/er/x", "w._COPYING_"])
STEPS = st.one_of(
    st.tuples(st.just("put"), FOLDERS, FILES, st.integers(0, 3)),
    st.tuples(st.just("remove"), st.one_of(FOLDERS, st.tuples(FOLDERS, FILES).map("/".join))),
    st.tuples(st.just("make"), FOLDERS),
    st.tuples(st.just("send"), st.sampled_from(["a", "b", "old-1"])),
    st.tuples(st.just("wait"), st.sampled_from([0.0, 0.001, 1.0, 7.0, 100.0])),
    st.tuples(st.just("poll")),
    st.tuples(st.just("restart")),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(STEPS, max_size=40))
def test_whatever_happens_each_upload_is_told_that_looking_at_everything_finds(steps: list[tuple[Any, ...]]) -> None:
    airflow = quiet(OLD)
    for step, *arguments in steps:
        if step == "put":
            folder, file, size = arguments
            airflow.tree.put(f"{folder}/{file}", size)
        else:
            getattr(airflow if step in ("wait", "poll", "restart") else airflow.tree, step)(*arguments)
    airflow.polls(50)
    complete = {
        found.identity
        for found in airflow.tree.uploads()
        if found.has_marker or (found.files and not any(path.endswith("._COPYING_") for path, _, _ in found.files))
    }
    told = [upload.identity for upload in airflow.started]
    assert complete <= set(told)
    assert len(told) == len(set(told))


def test_a_poll_without_change_lists_the_root_and_a_few_old_uploads() -> None:
    airflow = quiet(500)
    airflow.tree.calls.clear()
    assert airflow.poll() == []
    assert len(airflow.tree.calls) == 1 + 2 * LEAST, "two listings an upload: its folder, and the samples in it"


def test_the_first_poll_looks_into_no_upload_that_had_its_run() -> None:
    airflow = quiet(500)
    airflow.tree.send("new")
    airflow.restart()
    airflow.tree.calls.clear()
    assert [upload.name for upload in airflow.poll()] == [f"{ROOT}/new"]
    assert len(airflow.tree.calls) == 1 + 2 * (LEAST + 1)
    airflow.wait(2 * LINGER_S)
    airflow.poll()
    airflow.tree.calls.clear()
    airflow.poll()
    assert len(airflow.tree.calls) == 1 + 2 * LEAST, "what is looked into again after it draws no further looks"


def test_a_poll_looks_into_what_changed() -> None:
    airflow = quiet(500)
    for number in range(10):
        airflow.tree.send(f"new-{number}")
    airflow.tree.calls.clear()
    assert len(airflow.poll()) == 10
    assert len(airflow.tree.calls) == 1 + 2 * (10 + LEAST)
    airflow.wait(2 * LINGER_S)
    airflow.tree.put("new-3/more")
    airflow.tree.put("new-3/_SUCCESS")
    assert len(airflow.poll()) == 1
    airflow.wait(2 * LINGER_S)
    airflow.tree.calls.clear()
    assert airflow.poll() == []
    assert len(airflow.tree.calls) <= 1 + 2 * (LEAST + 1), "and no longer than it lingers"


def test_a_group_costs_nothing_while_nothing_changes_in_it() -> None:
    airflow = quiet(0)
    for number in range(300):
        airflow.tree.put(f"group/{number}/_SUCCESS")
    airflow.polls(12)
    assert len(airflow.started) == 300
    airflow.tree.calls.clear()
    airflow.polls(10)
    assert len(airflow.tree.calls) == 10 * (1 + 1 + LEAST)
    airflow.tree.put("group/300/_SUCCESS")
    assert [upload.name for upload in airflow.poll()] == [f"{ROOT}/group/300"]


def test_a_group_that_gets_a_file_of_its_own_is_one_upload_and_the_other_way_round() -> None:
    airflow = quiet(0)
    for file in ("g/a/x", "g/b/x"):
        airflow.tree.put(file)
    airflow.poll()
    airflow.tree.put("g/_SUCCESS")
    assert [upload.name for upload in airflow.polls(20)] == [f"{ROOT}/g"]
    assert airflow.watch.names() == {f"{ROOT}/g"}
    airflow.tree.remove("g/_SUCCESS")
    assert [upload.name for upload in airflow.polls(20)] == [f"{ROOT}/g/a", f"{ROOT}/g/b"]


def test_what_is_gone_is_forgotten_and_nothing_is_known_before_every_group_was_looked_into() -> None:
    airflow = quiet(3)
    airflow.tree.put("g/a/_SUCCESS")
    airflow.polls(2)
    assert airflow.watch.names() == {f"{ROOT}/{name}" for name in ("old-0", "old-1", "old-2", "g/a")}
    airflow.tree.remove("old-1")
    airflow.tree.remove("g")
    airflow.poll()
    assert airflow.watch.names() == {f"{ROOT}/old-0", f"{ROOT}/old-2"}
    airflow.restart()
    assert airflow.watch.names() == set()


def test_an_upload_made_anew_is_told_at_the_next_poll() -> None:
    airflow = quiet(500)
    airflow.tree.remove("old-7/_SUCCESS")
    airflow.tree.put("old-7/model.yaml", 2)
    airflow.tree.put("old-7/_SUCCESS")
    assert [upload.name for upload in airflow.poll()] == [f"{ROOT}/old-7"]


def test_a_marker_that_is_older_than_a_file_is_the_former_upload_s() -> None:
    airflow = quiet(1)
    airflow.tree.put("old-0/more")
    assert airflow.poll() == [], "somebody writes over it"
    airflow.wait(POLL_S)
    airflow.tree.put("old-0/_SUCCESS")
    assert [upload.name for upload in airflow.poll()] == [f"{ROOT}/old-0"]


def test_a_late_marker_is_no_second_upload() -> None:
    airflow = quiet(1)
    airflow.tree.put("late/model.yaml")
    assert [upload.name for upload in airflow.polls(4)] == [f"{ROOT}/late"]
    airflow.tree.put("late/_SUCCESS")
    assert airflow.polls(20) == []


def test_without_a_marker_an_upload_must_stay_as_it_is_for_the_settling_time() -> None:
    airflow = quiet(0)
    airflow.tree.put("a/model.yaml")
    airflow.tree.put("a/samples/one")
    for second in range(4):
        assert airflow.poll() == []
        airflow.wait(4)
        airflow.tree.put("a/samples/one", 2 + second)
    assert airflow.poll() == []
    airflow.wait(SETTLE_S - 0.1)
    assert airflow.poll() == []
    airflow.wait(0.1)
    assert len(airflow.poll()) == 1


def test_what_is_overwritten_in_place_deep_in_an_old_upload_is_found_within_the_hour() -> None:
    airflow = quiet(500)
    airflow.wait(LINGER_S)
    airflow.tree.put("old-499/samples/a", 9)
    began_s = airflow.now_s
    while not (found := airflow.poll()):
        airflow.wait(60)
    assert [upload.name for upload in found] == [f"{ROOT}/old-499"]
    assert airflow.now_s - began_s <= UPLOADS_AGAIN_S + 2 * 60, "and one more poll to see that it has settled"


def test_of_an_upload_with_too_many_files_no_more_are_looked_at_than_tell_that() -> None:
    tree = Tree()
    airflow = Airflow(tree)

    def identities(changed: int) -> set[str]:
        tree.put(f"many/file-{changed:02}", 2)
        tree.put("many/_SUCCESS")
        return {upload.identity for upload in airflow.watch.poll(0.0)}

    for number in range(2 * MOST_FILES):
        tree.put(f"many/file-{number:02}")
    before = identities(changed=MOST_FILES + 1)
    assert before == identities(changed=MOST_FILES + 2) != set()
    assert before != identities(changed=MOST_FILES)


@pytest.mark.parametrize("folder", ["A", "z"])
def test_an_upload_with_too_many_files_is_complete_at_once_when_its_marker_is_there(folder: str) -> None:
    """Wherever the marker is in the order of names, and for no listing more."""
    tree = Tree()
    for number in range(2 * MOST_FILES):
        tree.put(f"many/{folder}-{number:02}/x")
    tree.put("many/_SUCCESS")
    assert [upload.name for upload in Airflow(tree).watch.poll(0.0)] == [f"{ROOT}/many"]
    assert len(tree.calls) == 1 + 1 + MOST_FILES + 1, "the root, the upload, and a folder for each file"


class Failing(Tree):
    fails: dict[str, SeatrialError]

    def entries(self, folder: str) -> list[Entry]:
        if folder in self.fails:
            raise self.fails[folder]
        return super().entries(folder)


def test_a_folder_that_cannot_be_listed_delays_no_other_and_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    tree = Failing()
    tree.fails = {"a": SeatrialError("access denied")}
    airflow = Airflow(tree)
    for name in ("a", "b"):
        tree.send(name)
    with caplog.at_level(logging.WARNING):
        assert [upload.name for upload in airflow.polls(10)] == [f"{ROOT}/b"]
    assert [record.getMessage() for record in caplog.records] == ["'a' in an upload root is left alone: access denied"]
    tree.fails = {}
    assert [upload.name for upload in airflow.polls(10)] == [f"{ROOT}/a"]


def test_a_root_that_is_away_raises_and_loses_nothing() -> None:
    tree = Failing()
    tree.fails = {}
    airflow = Airflow(tree)
    for name in ("a", "b"):
        tree.send(name)
    tree.fails = {"": TryAgain("away"), "b": TryAgain("away")}
    for _ in range(3):
        with pytest.raises(TryAgain):
            airflow.poll()
    tree.fails = {}
    assert sorted(upload.name for upload in airflow.poll()) == [f"{ROOT}/a", f"{ROOT}/b"]


def test_a_root_that_goes_away_in_the_middle_of_a_poll_is_not_taken_for_a_folder_in_trouble(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Going(Failing):
        def entries(self, folder: str) -> list[Entry]:
            if folder:
                self.fails |= {"": TryAgain("away"), folder: TryAgain("away")}
            return super().entries(folder)

    tree = Going()
    tree.fails = {}
    tree.send("a")
    with pytest.raises(TryAgain):
        Airflow(tree).poll()
    assert not caplog.records


@pytest.mark.parametrize(("name", "told"), [("my {{ model }}", True), ("-rf", True), ("bell\a", False)])
def test_a_folder_that_may_not_be_an_upload_has_a_run_that_says_so_if_it_can_be_named(name: str, told: bool) -> None:
    airflow = quiet(0)
    airflow.tree.put(f"{name}/model.yaml")
    found = {upload.name for second in range(10) for upload in airflow.watch.poll(100.0 + second)}
    assert found == ({f"{ROOT}/{name}"} if told else set())
    assert not any(name in folder for folder in airflow.tree.calls)
