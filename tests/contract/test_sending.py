"""Sending an upload, to folders and to a real HDFS: whole or not there at all, wherever a call is cut off."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from seatrial.errors import Conflict, Refused, TryAgain, UploadRefused
from seatrial.storage.port import Entry, Storage
from seatrial.uploads import incoming
from seatrial.uploads.incoming import INCOMING, Incoming, files_below
from seatrial.uploads.send import Parcel, deliver
from tests.models import write_upload
from tests.storages import Place


@pytest.fixture
def parcel(tmp_path: Path) -> Parcel:
    return Parcel.of(write_upload(tmp_path / "mine", marker=False))


def content(place: Place, name: str = "mine") -> dict[str, bytes]:
    return {path: place.bytes_of(f"{name}/{path}") for path in files_below(place.storage, name)}


def sent(parcel: Parcel) -> dict[str, bytes]:
    """What a whole upload of it holds."""
    marker = {"_SUCCESS": f"{parcel.tree}\n".encode()}
    return {path: (parcel.folder / path).read_bytes() for path in parcel.sizes} | marker


class Acting:
    """A storage that calls `act` with the name of a method before and after each call of it, and in each reading."""

    def __init__(self, storage: Storage, act: Callable[[str], object]) -> None:
        self._storage, self._act = storage, act

    def __getattr__(self, name: str) -> Any:
        def call(*given: Any) -> Any:
            self._act(f"before {name}")
            if name == "write":
                given = (given[0], ActingSource(given[1], self._act), given[2])
            found = getattr(self._storage, name)(*given)
            self._act(f"after {name}")
            return found

        return call


class ActingSource(io.RawIOBase):
    def __init__(self, source: io.RawIOBase, act: Callable[[str], object]) -> None:
        self._source, self._act = source, act

    def read(self, size: int = -1, /) -> bytes:
        self._act("reading")
        return self._source.read(size) or b""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._source.seek(offset, whence)


def once(event: str, act: Callable[[], object], skip: int = 0) -> Callable[[str], None]:
    left = [skip]

    def called(name: str) -> None:
        if name == event:
            left[0] -= 1
            if left[0] == -1:
                act()

    return called


def test_an_upload_appears_in_one_step_with_its_marker_as_the_youngest(place: Place, parcel: Parcel) -> None:
    seen = []
    storage = Acting(place.storage, lambda _: seen.append(place.storage.look("mine")))
    progress: list[Any] = []
    assert deliver(parcel, storage, "mine", lambda *told: progress.append(told) or progress.append)
    assert place.names() == ["mine"]
    assert content(place) == sent(parcel)
    appeared = [entry is not None for entry in seen]
    assert appeared == sorted(appeared)
    ages = {entry.name: entry.modified_ns for entry in place.storage.entries("mine") if not entry.is_folder}
    assert ages["_SUCCESS"] == max(ages.values())
    total = sum(parcel.sizes.values())
    assert (progress[0], sum(progress[1:])) == ((total, 0), total)


def test_the_same_again_does_nothing_and_other_files_need_another_name(
    place: Place, parcel: Parcel, tmp_path: Path
) -> None:
    other = Parcel.of(write_upload(tmp_path / "other", scale=3.0, marker=False))
    assert deliver(parcel, place.storage, "mine")
    assert not deliver(parcel, place.storage, "mine")
    with pytest.raises(Conflict, match="choose another name"):
        deliver(other, place.storage, "mine")
    place.overwrite("mine/model.onnx", b"by hand")
    with pytest.raises(Conflict):
        deliver(parcel, place.storage, "mine")
    assert deliver(other, place.storage, "other")
    assert place.names() == ["mine", "other"]


def test_an_upload_with_more_in_it_is_another_whatever_that_is_called(place: Place, parcel: Parcel) -> None:
    assert deliver(parcel, place.storage, "mine")
    place.force("mine/samples/a\\b")
    with pytest.raises(Conflict, match="choose another name"):
        deliver(parcel, place.storage, "mine")


def test_the_root_is_listed_once(place: Place, parcel: Parcel) -> None:
    listed: list[str] = []

    class Listed(Acting):
        def entries(self, folder: str, most: int | None = None) -> list[Entry]:
            listed.append(folder)
            return place.storage.entries(folder, most)

    assert deliver(parcel, Listed(place.storage, lambda _: None), "mine")
    assert listed.count("") == 1


@pytest.mark.parametrize("name", ["../x", ".hidden", "_apart", "a/b", "", "{{ x }}"])
def test_a_name_that_no_watcher_would_take_is_refused(place: Place, parcel: Parcel, name: str) -> None:
    with pytest.raises(Refused):
        deliver(parcel, place.storage, name)
    assert place.names() == []


@pytest.mark.parametrize("spoil", [lambda f: (f / "link").symlink_to("model.onnx"), lambda f: os.mkfifo(f / "pipe")])
def test_what_no_upload_may_hold_is_refused_before_anything_is_sent(
    tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    folder = write_upload(tmp_path / "mine", marker=False)
    spoil(folder)
    with pytest.raises(UploadRefused, match=r"link|pipe"):
        Parcel.of(folder)


def test_a_file_that_changes_while_it_is_sent_is_refused_and_nothing_stays(place: Place, parcel: Parcel) -> None:
    (parcel.folder / "model.onnx").write_bytes(b"others")
    with pytest.raises(UploadRefused, match=r"model\.onnx: changed"):
        deliver(parcel, place.storage, "mine")
    assert place.names() == []


class Cut(Exception):
    """The storage goes away in the middle."""


def cut() -> None:
    raise Cut


def test_a_call_after_a_cut_sends_only_the_rest(place: Place, parcel: Parcel) -> None:
    with pytest.raises(Cut):
        deliver(parcel, Acting(place.storage, once("after write", cut, skip=1)), "mine")
    assert [name.startswith(INCOMING) for name in place.names()] == [True]
    told: list[tuple[int, int]] = []
    written: list[str] = []
    storage = Acting(place.storage, lambda event: event == "before write" and written.append(event))
    assert deliver(parcel, storage, "mine", lambda *given: told.append(given) or (lambda _: None))
    assert 0 < told[0][1] <= told[0][0]
    assert len(written) <= len(parcel.sizes) - 2 + 1  # and the marker
    assert content(place) == sent(parcel)
    assert place.names() == ["mine"]


def test_after_a_cut_a_changed_source_is_sent_anew_and_nothing_of_the_former_is_in_it(
    place: Place, parcel: Parcel
) -> None:
    with pytest.raises(Cut):
        deliver(parcel, Acting(place.storage, once("before rename_folder", cut)), "mine")
    write_upload(parcel.folder, scale=3.0, marker=False)
    (parcel.folder / "samples" / "a.npz").rename(parcel.folder / "samples" / "c.npz")
    changed = Parcel.of(parcel.folder)
    assert deliver(changed, place.storage, "mine")
    assert content(place) == sent(changed)


def test_after_a_cut_a_badly_named_folder_of_a_stranger_is_not_in_it(place: Place, parcel: Parcel) -> None:
    with pytest.raises(Cut):
        deliver(parcel, Acting(place.storage, once("before rename_folder", cut)), "mine")
    (folder,) = place.names()
    place.force(f"{folder}/samples/a\\b")
    assert deliver(parcel, place.storage, "mine")
    assert content(place) == sent(parcel)
    assert place.names() == ["mine"]


def test_a_file_that_was_cut_short_behind_our_back_is_sent_again(place: Place, parcel: Parcel) -> None:
    with pytest.raises(Cut):
        deliver(parcel, Acting(place.storage, once("before rename_folder", cut)), "mine")
    (folder,) = place.names()
    place.overwrite(f"{folder}/model.onnx", b"half")
    place.overwrite(f"{folder}/.writing-left", b"of a killed one")
    assert deliver(parcel, place.storage, "mine")
    assert content(place) == sent(parcel)


@pytest.mark.parametrize("answer", ["lost", "refused"])
def test_an_answer_that_was_lost_after_the_last_renaming_is_not_taken_for_anothers_upload(
    place: Place, parcel: Parcel, answer: str
) -> None:
    class Lost(Acting):
        def rename_folder(self, source: str, target: str) -> bool:
            done = place.storage.rename_folder(source, target)
            if target == "mine" and answer == "refused":
                raise Conflict("it is there already")
            return done and target != "mine"

    assert deliver(parcel, Lost(place.storage, lambda _: None), "mine")
    assert content(place) == sent(parcel)
    assert place.names() == ["mine"]


def test_of_different_uploads_to_one_name_at_once_one_wins(place: Place, tmp_path: Path) -> None:
    parcels = [Parcel.of(write_upload(tmp_path / f"{n}", scale=n, marker=False)) for n in range(1, 5)]

    def won(parcel: Parcel) -> bool:
        try:
            return deliver(parcel, place.storage, "mine")
        except Conflict:
            return False

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(won, parcels))
    assert outcomes.count(True) == 1
    assert content(place) == sent(parcels[outcomes.index(True)])
    assert place.names() == ["mine"]


def test_the_same_upload_by_many_at_once_is_there_once_and_whole(place: Place, parcel: Parcel) -> None:
    def ended(_: int) -> bool:
        try:
            return deliver(parcel, place.storage, "mine")
        except (Conflict, TryAgain):  # another call has taken it over
            return False

    with ThreadPoolExecutor(6) as pool:
        assert any(pool.map(ended, range(6)))
    assert content(place) == sent(parcel)
    deliver(parcel, place.storage, "mine")


@pytest.mark.parametrize("moment", ["before write", "reading", "after write"])
def test_a_call_that_another_takes_over_in_the_middle_ends_and_spoils_nothing(
    place: Place, parcel: Parcel, moment: str
) -> None:
    over = once(moment, lambda: deliver(parcel, place.storage, "mine"), skip=1)
    with suppress(Conflict, TryAgain):  # or it finds that the other has done it
        deliver(parcel, Acting(place.storage, over), "mine")
    assert place.names() == ["mine"]
    assert content(place) == sent(parcel)
    assert deliver(parcel, place.storage, "mine") is False


@pytest.mark.parametrize(("event", "number"), [*(("after write", n) for n in range(5)), ("before write", 4)])
def test_a_call_whose_folder_was_taken_publishes_nothing(place: Place, parcel: Parcel, event: str, number: int) -> None:
    """Four files are written, then the marker. On HDFS one that is taken in its writing is like one that is lost."""
    taken = once(
        event, lambda: Incoming.take(place.storage, "mine", parcel.tree, place.storage.entries("")), skip=number
    )
    with pytest.raises((Conflict, TryAgain), match=r"another call goes on|could not be written to HDFS"):
        deliver(parcel, Acting(place.storage, taken), "mine")
    assert place.storage.look("mine") is None
    assert deliver(parcel, place.storage, "mine")
    assert content(place) == sent(parcel)


def test_one_that_died_long_ago_is_removed_by_the_next_of_any_name(
    place: Place, parcel: Parcel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Cut):
        deliver(parcel, Acting(place.storage, once("before rename_folder", cut)), "mine")
    other = Parcel.of(write_upload(tmp_path / "other", scale=3.0, marker=False))
    assert deliver(other, place.storage, "other")
    assert len(place.names()) == 2
    monkeypatch.setattr(incoming, "DEAD_AFTER_S", -60.0)
    assert deliver(other, place.storage, "third")
    assert place.names() == ["other", "third"]


SENDER = """
import itertools, os, signal, sys, threading
from pathlib import Path
from seatrial.storage.location import open_storage
from seatrial.uploads.send import Parcel, deliver
from tests.contract.test_sending import Acting

count, lock = itertools.count(), threading.Lock()

def die(event):
    with lock:
        if next(count) == int(sys.argv[3]):
            os.kill(os.getpid(), signal.SIGKILL)

print(deliver(Parcel.of(Path(sys.argv[2])), Acting(open_storage(sys.argv[1], "test"), die), "mine"))
"""


def test_a_process_killed_at_any_moment_leaves_no_half_upload_and_the_next_makes_it_whole(
    place: Place, parcel: Parcel
) -> None:
    """Some of the moments, one after the other, and fewer on HDFS, where each takes longer."""
    environ = {"PYTHONPATH": ":".join(sys.path), "PATH": os.environ["PATH"]}
    killed = 0
    for moment in range(0, 200, 3 if place.url.startswith("file:") else 5):
        command = [sys.executable, "-c", SENDER, place.url, str(parcel.folder), str(moment)]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        there = content(place)
        assert there in ({}, sent(parcel)), moment
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        killed += 1
        assert deliver(parcel, place.storage, "mine") is not bool(there)
        assert content(place) == sent(parcel)
        assert place.storage.remove_folder("mine")
    assert killed > 5
    assert content(place) == sent(parcel)
    assert place.names() == ["mine"]
