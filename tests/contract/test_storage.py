"""What every storage keeps to, on folders and on a real HDFS."""

from __future__ import annotations

import hashlib
import io
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from seatrial.errors import Conflict, NotFound, Refused, TryAgain, WrongBytes
from seatrial.storage.local import CHUNK, WRITING
from seatrial.storage.port import Entry
from tests.storages import Place, acting_bytes

ODD = "a b+%20#?&;=*[ü/x"
HOSTILE = ["/etc/passwd", "../out", "a/../../out", "a//b", "", "a/", "a\0b", "a\nb", "a\\b", "x" * 600]


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("size", [0, 1, CHUNK, 3 * CHUNK + 1])
@pytest.mark.parametrize("path", ["a", "deep/er/a", ODD, f"{'n' * 200}/b"])
def test_what_was_written_is_read_with_its_digest(place: Place, path: str, size: int) -> None:
    data = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    place.put(path, data)
    into = io.BytesIO()
    assert place.storage.read(path, into) == digest(data)
    assert into.getvalue() == data
    found = place.storage.look(path)
    assert found is not None
    assert (found.name, found.is_folder, found.bytes) == (path.rpartition("/")[2], False, size)
    assert abs(found.age_s) < 60


def test_a_second_write_replaces_the_first(place: Place) -> None:
    place.put("a", b"one, and longer")
    place.put("a", b"two")
    assert place.bytes_of("a") == b"two"
    assert place.names() == ["a"]


def test_bytes_with_another_digest_are_refused_and_nothing_changes(place: Place) -> None:
    place.put("d/a", b"one")
    with pytest.raises(WrongBytes, match=digest(b"two")):
        place.storage.write("d/a", io.BytesIO(b"two"), digest(b"three"))
    with pytest.raises(WrongBytes):
        place.storage.write("d/b", io.BytesIO(b"two"), digest(b"three"))
    assert place.names("d") == ["a"]
    assert place.bytes_of("d/a") == b"one"


def test_readers_see_the_former_file_until_the_new_one_is_whole(place: Place) -> None:
    seen: list[bytes | None] = []

    def look() -> None:
        seen.append(place.bytes_of("d/a"))
        assert place.storage.look("d/b") is None

    place.put("d/a", b"one")
    data = b"two" * CHUNK
    place.storage.write("d/a", acting_bytes(data, look), digest(data))
    place.storage.write("d/b", acting_bytes(data, lambda: seen.append(place.bytes_of("d/a"))), digest(data))
    assert seen == [b"one", data]


def test_a_source_that_fails_half_way_leaves_no_file_under_the_name(place: Place) -> None:
    def fail() -> None:
        raise OSError("the disk of the upload is gone")

    data = b"x" * (3 * CHUNK)
    with pytest.raises(TryAgain, match="disk of the upload"):
        place.storage.write("d/a", acting_bytes(data, fail), digest(data))
    assert place.storage.look("d/a") is None
    assert all(name.startswith(WRITING) for name in place.names("d"))  # HDFS may make it after it was removed


WRITER = """
import io, sys
from seatrial.storage.location import open_storage

class Endless(io.BytesIO):
    def read(self, size=-1):
        print("reading", flush=True)
        if self.tell() >= 2 * size:
            sys.stdin.read()
        return super().read(size)

open_storage(sys.argv[1], "test").write("d/a", Endless(b"x" * 5_000_000), "0" * 64)
"""


def test_a_writer_that_is_killed_half_way_leaves_no_file_under_the_name(place: Place) -> None:
    command = [sys.executable, "-c", WRITER, place.url]
    with subprocess.Popen(
        command, env={"PYTHONPATH": ":".join(sys.path)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        for _ in range(3):
            assert writer.stdout.readline() == b"reading\n"
        writer.send_signal(signal.SIGKILL)
    assert place.storage.look("d/a") is None
    assert all(name.startswith(WRITING) for name in place.names("d"))
    place.put("d/a", b"whole")
    assert place.bytes_of("d/a") == b"whole"


def test_what_is_not_there_is_not_found(place: Place) -> None:
    place.put("d/a", b"one")
    with pytest.raises(NotFound):
        place.storage.read("d", io.BytesIO())
    assert place.storage.entries("no") == place.storage.entries("d/a") == []
    assert place.storage.look("d/a/no") is None
    for path in ("no", "d/no", "no/no"):
        with pytest.raises(NotFound):
            place.storage.read(path, io.BytesIO())
        assert place.storage.look(path) is None
        assert not place.storage.touch(path)
        assert not place.storage.rename(path, "d/b")
        assert not place.storage.remove(path)


def test_a_file_is_no_folder_and_a_name_has_a_longest_length(place: Place) -> None:
    place.put("a", b"one")
    for path in ("a/b", "n" * 300):
        with pytest.raises(Refused):
            place.put(path, b"two")
    assert place.names() == ["a"]


def test_entries_are_the_files_and_folders_of_one_folder(place: Place) -> None:
    assert place.storage.entries("") == []
    for path in ("top", "d/a", "d/deeper/b", "d/c d"):
        place.put(path, path.encode())
    assert place.names() == ["d", "top"]
    found = {entry.name: (entry.is_folder, entry.bytes) for entry in place.storage.entries("d") if not entry.is_folder}
    assert found == {"a": (False, 3), "c d": (False, 5)}
    assert [entry.name for entry in place.storage.entries("d") if entry.is_folder] == ["deeper"]


def test_a_touch_makes_young_and_a_renaming_keeps_the_age(place: Place) -> None:
    for name in ("a", "b"):
        place.put(name, name.encode())
    place.age(7200)
    assert place.storage.touch("b")
    ages = {entry.name: entry.age_s for entry in place.storage.entries("")}
    assert ages["a"] > 7100
    assert abs(ages["b"]) < 60
    assert place.storage.rename("a", "new/folder/a")
    moved = place.storage.look("new/folder/a")
    assert moved is not None
    assert moved.age_s > 7100
    assert place.bytes_of("new/folder/a") == b"a"
    assert place.storage.rename("b", "new/folder/a")
    assert place.bytes_of("new/folder/a") == b"b"
    assert place.names() == ["new"]


def test_a_removed_file_is_gone(place: Place) -> None:
    place.put("d/a", b"one")
    assert place.storage.remove("d/a")
    assert place.storage.look("d/a") is None
    assert not place.storage.remove("d/a")


@pytest.mark.parametrize("path", HOSTILE, ids=range(len(HOSTILE)))
def test_no_path_leaves_the_storage(place: Place, path: str) -> None:
    place.put("a", b"one")
    place.put("d/a", b"one")
    storage = place.storage
    for act in (
        lambda: place.put(path, b"x"),
        lambda: storage.read(path, io.BytesIO()),
        lambda: storage.look(path),
        lambda: storage.touch(path),
        lambda: storage.rename("a", path),
        lambda: storage.rename(path, "b"),
        lambda: storage.remove(path),
        lambda: storage.rename_folder("d", path),
        lambda: storage.rename_folder(path, "b"),
        lambda: storage.remove_folder(path),
        *([lambda: storage.entries(path)] if path else []),
    ):
        with pytest.raises(Refused):
            act()
    assert place.names() == ["a", "d"]


def look(place: Place, path: str) -> Entry:
    found = place.storage.look(path)
    assert found is not None
    return found


def test_an_overwritten_file_and_a_folder_in_which_something_came_or_went_have_another_time(place: Place) -> None:
    place.put("d/a", b"one")
    place.put("d/deeper/b", b"two")
    place.age(7200)
    file, folder, deeper = (look(place, path).modified_ns for path in ("d/a", "d", "d/deeper"))
    assert {entry.name: entry.modified_ns for entry in place.storage.entries("d")} == {"a": file, "deeper": deeper}
    assert place.storage.look("d/a") is not None  # looking changes nothing
    place.put("d/a", b"two")
    assert look(place, "d/a").modified_ns > file
    folder, deeper = (look(place, path).modified_ns for path in ("d", "d/deeper"))
    assert place.storage.remove("d/deeper/b")
    assert look(place, "d/deeper").modified_ns > deeper
    assert look(place, "d").modified_ns == folder  # what happens deeper is not seen above


def test_of_many_entries_no_more_than_asked_for_are_listed(place: Place) -> None:
    names = sorted(f"f{number:02}" for number in range(12))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: place.put(f"d/{name}", b"x"), names))
    for most in (0, 1, 5, 12, 13, None):
        found = [entry.name for entry in place.storage.entries("d", most)]
        assert len(found) == len(set(found) & set(names)) == min(12, 12 if most is None else most)


def test_a_renamed_folder_has_moved_with_all_in_it_times_and_all(place: Place) -> None:
    place.put("d/a", b"one")
    place.put("d/deeper/b", b"two")
    place.age(7200)
    before = [look(place, path).modified_ns for path in ("d/a", "d/deeper/b")]
    assert place.storage.rename_folder("d", "new/folder/e")
    assert place.names() == ["new"]
    assert [look(place, f"new/folder/e/{path}").modified_ns for path in ("a", "deeper/b")] == before
    assert place.bytes_of("new/folder/e/deeper/b") == b"two"


def test_a_renamed_folder_replaces_nothing_and_moves_into_nothing(place: Place) -> None:
    place.put("d/a", b"one")
    place.put("full/a", b"two")
    place.put("empty/a", b"three")
    place.put("file", b"four")
    place.storage.remove("empty/a")
    for target in ("full", "empty", "file"):
        with pytest.raises(Conflict, match=target):
            place.storage.rename_folder("d", target)
    for inside in ("d", "d/e"):
        with pytest.raises(Refused, match="into itself"):
            place.storage.rename_folder("d", inside)
    with pytest.raises(Refused, match="file"):
        place.storage.rename_folder("d", "file/d")
    assert place.storage.rename_folder("d", "dd")  # which begins the same, and is not in it
    assert place.names() == ["dd", "empty", "file", "full"]
    assert (place.names("full"), place.names("empty"), place.bytes_of("file")) == (["a"], [], b"four")


def test_a_folder_that_is_not_there_is_neither_renamed_nor_removed_and_a_file_is_none(place: Place) -> None:
    place.put("a", b"one")
    for path in ("a", "no", "a/no", "no/no"):
        assert not place.storage.rename_folder(path, "b")
        assert not place.storage.remove_folder(path)
    assert place.names() == ["a"]


def test_a_removed_folder_is_gone_with_all_in_it(place: Place) -> None:
    for path in ("d/a", "d/deeper/b", "d/deeper/still/c", "dd/a"):
        place.put(path, b"one")
    assert place.storage.remove_folder("d")
    assert place.names() == ["dd"]
    assert place.storage.look("d") is None
    assert not place.storage.remove_folder("d")


def test_of_racing_renamings_to_one_name_one_folder_arrives(place: Place) -> None:
    for at in range(5):
        for number in range(8):
            place.put(f"from/{number}/{number}", b"one")

        def move(number: int, at: int = at) -> bool:
            try:
                return place.storage.rename_folder(f"from/{number}", f"to/{at}")
            except Conflict:
                return False

        with ThreadPoolExecutor(8) as pool:
            won = list(pool.map(move, range(8)))
        assert won.count(True) == 1
        assert place.names(f"to/{at}") == [str(won.index(True))]
        place.storage.remove_folder("from")


def test_racing_removals_of_a_folder_leave_nothing_of_it(place: Place) -> None:
    for number in range(40):
        place.put(f"d/{number % 4}/{number}", b"one")
    with ThreadPoolExecutor(4) as pool:
        assert any(pool.map(lambda _: place.storage.remove_folder("d"), range(4)))
    assert place.names() == []


def test_racing_writers_of_one_path_leave_one_whole_file(place: Place) -> None:
    texts = [bytes([letter]) * 300_000 for letter in b"abcdefgh"]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda text: place.put("d/a", text), texts))
    assert place.bytes_of("d/a") in texts
    assert place.names("d") == ["a"]


def test_of_racing_renamings_of_one_file_one_succeeds(place: Place) -> None:
    for at in range(5):
        place.put("a", b"one")
        with ThreadPoolExecutor(8) as pool:
            won = list(pool.map(lambda to, at=at: place.storage.rename("a", f"moved/{at}/{to}"), range(8)))
        assert won.count(True) == 1
        assert place.names(f"moved/{at}") == [str(won.index(True))]
