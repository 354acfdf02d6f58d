"""The artifact store, on a folder and on a real HDFS: what is kept, what is refused, what garbage collection leaves."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest

from seatrial.errors import NotFound, Refused, SeatrialError, UploadRefused
from seatrial.storage.artifacts import ArtifactStore
from seatrial.storage.folder import Folder
from seatrial.storage.garbage import GRACE_S, collect
from seatrial.storage.listings import tree_digest
from seatrial.storage.local import WRITING, digest_file
from seatrial.storage.location import open_storage
from seatrial.storage.port import Storage
from seatrial.storage.renewal import ASIDE
from seatrial.storage.sources import Source
from tests.storages import Place, files_of

NOTHING = frozenset[str]()
OLD_S = 2 * GRACE_S


@pytest.fixture
def store(place: Place) -> ArtifactStore:
    return ArtifactStore(place.storage)


def another(place: Place) -> ArtifactStore:
    """The store as another process has it."""
    return ArtifactStore(open_storage(place.url, "test"))


def upload(folder: Path, **contents: str) -> dict[str, str]:
    """Files of an upload, path → digest."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in contents.items():
        (folder / name).write_text(text)
    return {name: digest_file(folder / name) for name in contents}


def whole(store: ArtifactStore, tree: str, files: Mapping[str, str]) -> bool:
    return store.files(tree) == dict(files) and all(
        hashlib.sha256(store.read(tree, path)).hexdigest() == sha256 for path, sha256 in files.items()
    )


def blob(sha256: str) -> str:
    return f"blobs/{sha256[:2]}/{sha256}"


def test_a_tree_is_kept_by_the_digest_of_its_listing_and_copied_out_verified(
    place: Place, store: ArtifactStore, tmp_path: Path
) -> None:
    files = upload(tmp_path / "1", a="one", b="one", c="")
    tree = store.put(files_of(tmp_path / "1"), files)
    assert tree == tree_digest(files)
    assert whole(another(place), tree, files)
    store.copy_to({"deep/er": files["a"], "c": files["c"]}, tmp_path / "copy")
    assert (tmp_path / "copy" / "deep" / "er").read_text() == "one"
    assert (tmp_path / "copy" / "c").read_bytes() == b""
    assert sorted(place.names()) == ["blobs", "trees"]
    assert {(one.kind, one.name, one.bytes) for one in store.stored()} == {
        ("tree", tree, len(place.bytes_of(f"trees/{tree}.json"))),
        ("file", files["a"], 3),
        ("file", files["c"], 0),
    }


def test_the_size_of_kept_files_is_known_unless_one_is_missing(store: ArtifactStore, tmp_path: Path) -> None:
    files = upload(tmp_path / "1", a="one", b="four", c="")
    store.put(files_of(tmp_path / "1"), files)
    assert store.bytes_of(files.values()) == 7
    assert store.bytes_of([files["a"], files["a"]]) == 6
    assert store.bytes_of([files["a"], "0" * 64]) is None
    assert store.bytes_of([]) == 0


def test_what_is_kept_needs_the_upload_no_more(store: ArtifactStore, tmp_path: Path) -> None:
    files = upload(tmp_path / "1", a="one")
    tree = store.put(files_of(tmp_path / "1"), files)
    (tmp_path / "1" / "a").unlink()
    assert store.put(files_of(tmp_path / "1"), files) == tree
    assert whole(store, tree, files)


def test_an_upload_that_changed_is_refused_by_name_and_what_was_right_of_it_is_no_tree(
    place: Place, store: ArtifactStore, tmp_path: Path
) -> None:
    files = upload(tmp_path / "1", a="one", b="two")
    (tmp_path / "1" / "b").write_text("three")
    with pytest.raises(UploadRefused, match="b: changed while"):
        store.put(files_of(tmp_path / "1"), files)
    (tmp_path / "1" / "b").unlink()
    with pytest.raises(UploadRefused, match="changed while"):
        store.put(files_of(tmp_path / "1"), files)
    assert place.names("trees") == []
    with pytest.raises(NotFound):
        store.files(tree_digest(files))
    upload(tmp_path / "1", b="two")
    assert whole(store, store.put(files_of(tmp_path / "1"), files), files)


class Leaving:
    """A storage each of whose files goes away once it is open."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def open(self, path: str) -> BinaryIO:
        file = self._storage.open(path)
        assert self._storage.remove(path)
        return file


@pytest.mark.parametrize("kept", ["beside it", "in a folder"])
def test_a_file_of_an_upload_that_goes_away_while_it_is_read_is_refused_by_name_or_was_whole(
    place: Place, tmp_path: Path, kept: str
) -> None:
    """A folder still has the bytes of what is open, HDFS does not."""
    place.put("uploads/1/a", b"one")
    files = {"a": hashlib.sha256(b"one").hexdigest()}
    store = ArtifactStore(place.storage if kept == "beside it" else Folder(tmp_path / "store"))
    refused, tree = None, tree_digest(files)
    try:
        store.put(Source(cast(Storage, Leaving(place.storage)), "uploads/1"), files)
    except UploadRefused as error:
        refused = error.fields
    if refused is None:
        assert whole(store, tree, files)
    else:
        assert (refused["file"], refused["limit"]) == ("a", f"SHA-256 {files['a']}")
        assert store.stored() == []


@pytest.mark.parametrize("damage", [b"", b"on", b"onf", b"one "])
def test_a_damaged_file_is_never_given_out(place: Place, store: ArtifactStore, tmp_path: Path, damage: bytes) -> None:
    files = upload(tmp_path / "1", a="one")
    tree = store.put(files_of(tmp_path / "1"), files)
    place.overwrite(blob(files["a"]), damage)
    with pytest.raises(SeatrialError, match="is damaged"):
        store.read(tree, "a")
    with pytest.raises(SeatrialError, match="is damaged"):
        store.copy_to(files, tmp_path / "copy")
    assert list((tmp_path / "copy").iterdir()) == []


@pytest.mark.parametrize("damage", [b"", b"on", b"onf", b"one "])
def test_what_was_found_damaged_by_a_reader_is_repaired_by_the_next_put(
    place: Place, store: ArtifactStore, tmp_path: Path, damage: bytes
) -> None:
    files = upload(tmp_path / "1", a="one", b="two")
    tree = store.put(files_of(tmp_path / "1"), files)
    place.overwrite(blob(files["a"]), damage)
    for _ in range(2):  # also once it is moved away
        with pytest.raises(SeatrialError, match="is damaged; registering the same upload again repairs it") as caught:
            store.read(tree, "a")
        assert not isinstance(caught.value, NotFound)
    assert another(place).put(files_of(tmp_path / "1"), files) == tree
    assert whole(store, tree, files)
    [left] = [one for one in store.stored() if one.kind == "damaged"]
    assert place.bytes_of(left.name) == damage
    place.age(OLD_S)
    [gone] = collect(store, lambda: frozenset({tree}), dry_run=False)
    assert "found damaged" in gone.reason
    assert place.names("damaged") == []
    assert whole(store, tree, files)


@pytest.mark.parametrize("damage", [b"", b"on", b"one "])
def test_a_file_of_another_size_is_repaired_by_a_put_though_nobody_has_read_it_since(
    place: Place, store: ArtifactStore, tmp_path: Path, damage: bytes
) -> None:
    files = upload(tmp_path / "1", a="one")
    tree = store.put(files_of(tmp_path / "1"), files)
    place.overwrite(blob(files["a"]), damage)
    store.put(files_of(tmp_path / "1"), files)
    assert whole(store, tree, files)


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"a": 1}'])
def test_a_damaged_listing_is_repaired_by_the_next_put(
    place: Place, store: ArtifactStore, tmp_path: Path, damage: bytes
) -> None:
    files = upload(tmp_path / "1", a="one")
    tree = store.put(files_of(tmp_path / "1"), files)
    place.overwrite(f"trees/{tree}.json", damage)
    store.put(files_of(tmp_path / "1"), files)
    assert whole(store, tree, files)


def test_what_is_kept_whole_stays_though_the_upload_has_other_bytes_by_now(
    place: Place, store: ArtifactStore, tmp_path: Path
) -> None:
    files = upload(tmp_path / "1", a="one")
    tree = store.put(files_of(tmp_path / "1"), files)
    upload(tmp_path / "1", a="longer")
    assert store.put(files_of(tmp_path / "1"), files) == tree
    assert whole(store, tree, files)


def test_the_head_of_a_file_is_of_a_file_that_was_verified_to_its_end(
    place: Place, store: ArtifactStore, tmp_path: Path
) -> None:
    files = upload(tmp_path / "1", a="one two")
    store.put(files_of(tmp_path / "1"), files)
    for most, head in ((0, b""), (3, b"one"), (7, b"one two"), (99, b"one two")):
        assert store.head("a", files["a"], most) == head
    place.overwrite(blob(files["a"]), b"one too")
    with pytest.raises(SeatrialError, match="is damaged"):
        store.head("a", files["a"], 3)


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"a": 1}', b'{"a": "' + b"0" * 64 + b'"}'])
def test_a_damaged_listing_is_never_given_out(
    place: Place, store: ArtifactStore, tmp_path: Path, damage: bytes
) -> None:
    tree = store.put(files_of(tmp_path / "1"), upload(tmp_path / "1", a="one"))
    place.overwrite(f"trees/{tree}.json", damage)
    with pytest.raises(SeatrialError, match="is damaged"):
        store.files(tree)


def test_what_is_missing_is_not_found(place: Place, store: ArtifactStore, tmp_path: Path) -> None:
    files = upload(tmp_path / "1", a="one")
    with pytest.raises(NotFound):
        store.files(tree_digest(files))
    with pytest.raises(NotFound):
        store.copy_to(files, tmp_path / "copy")
    tree = store.put(files_of(tmp_path / "1"), files)
    with pytest.raises(NotFound, match="no file 'b'"):
        store.read(tree, "b")
    place.storage.remove(blob(files["a"]))
    with pytest.raises(NotFound, match="artifact store has no file"):
        store.read(tree, "a")


def test_no_listing_leaves_the_store_or_the_folder(place: Place, store: ArtifactStore, tmp_path: Path) -> None:
    good = upload(tmp_path / "1", a="one")["a"]
    for path, sha256 in [("../a", good), ("/a", good), ("a", "../" + good[3:]), ("a", good.upper()), ("a", "0" * 63)]:
        for act in (partial(store.put, files_of(tmp_path / "1")), lambda files: store.copy_to(files, tmp_path / "1")):
            with pytest.raises(Refused):
                act({path: sha256})
    for tree in ("../" + good[3:], good.upper(), ""):
        with pytest.raises(Refused):
            store.files(tree)
    assert place.names() == []


def test_an_old_tree_that_nothing_needs_goes_with_its_files_but_not_with_shared_ones(
    place: Place, store: ArtifactStore, tmp_path: Path
) -> None:
    first, second = upload(tmp_path / "1", a="one", b="shared"), upload(tmp_path / "2", c="two", b="shared")
    gone, kept = store.put(files_of(tmp_path / "1"), first), store.put(files_of(tmp_path / "2"), second)
    place.age(OLD_S)
    assert collect(store, lambda: frozenset({gone, kept}), dry_run=False) == []
    listed = collect(store, lambda: frozenset({kept}), dry_run=True)
    assert {one.name for one in listed} == {gone, first["a"]}
    assert [one.bytes for one in listed if one.kind == "file"] == [3]
    assert "last put 2.0 h ago" in listed[0].reason
    assert whole(store, gone, first)
    assert collect(store, lambda: frozenset({kept}), dry_run=False) == listed
    assert whole(store, kept, second)
    assert collect(store, lambda: frozenset({kept}), dry_run=False) == []
    assert store.put(files_of(tmp_path / "1"), first) == gone
    assert whole(store, gone, first)


def test_what_was_put_within_the_hour_stays_also_when_its_bytes_were_there_for_long(
    place: Place, store: ArtifactStore, tmp_path: Path
) -> None:
    files = upload(tmp_path / "1", a="one", b="two")
    tree = store.put(files_of(tmp_path / "1"), files)
    place.age(OLD_S)
    assert store.put(files_of(tmp_path / "1"), files) == tree
    assert collect(store, lambda: NOTHING, dry_run=False) == []
    assert whole(store, tree, files)


def test_temporary_files_go_once_they_are_old_and_foreign_files_never(
    place: Place, store: ArtifactStore, tmp_path: Path
) -> None:
    files = upload(tmp_path, a="one")
    tree = store.put(files_of(tmp_path), files)
    shard = blob(files["a"]).rpartition("/")[0]
    left = {f"trees/{WRITING}x", f"{shard}/{WRITING}y"}
    foreign = ["trees/notes.txt", f"trees/{files['a']}", "blobs/notes", f"blobs/00/{files['a']}", "notes"]
    for path in (*left, *foreign):
        place.overwrite(path, b"half")
    assert collect(store, lambda: NOTHING, dry_run=False) == []
    place.age(OLD_S)
    gone = collect(store, lambda: frozenset({tree}), dry_run=False)
    assert {one.name for one in gone} == left
    assert "writer that stopped" in gone[0].reason
    assert not any(place.storage.look(path) for path in left)
    assert whole(store, tree, files)
    collect(store, lambda: NOTHING, dry_run=False)
    assert all(place.storage.look(path) for path in foreign)


def test_a_damaged_listing_of_a_tree_that_stays_removes_nothing(
    place: Place, store: ArtifactStore, tmp_path: Path
) -> None:
    kept = store.put(files_of(tmp_path / "1"), upload(tmp_path / "1", a="one"))
    store.put(files_of(tmp_path / "2"), upload(tmp_path / "2", a="two"))
    place.overwrite(f"trees/{kept}.json", b"{")
    place.age(OLD_S)
    before = {one.name for one in store.stored()}
    with pytest.raises(SeatrialError, match="is damaged"):
        collect(store, lambda: frozenset({kept}), dry_run=False)
    assert {one.name for one in store.stored()} == before


def test_what_is_put_or_registered_between_the_look_and_the_removal_stays(
    place: Place, store: ArtifactStore, tmp_path: Path
) -> None:
    files = upload(tmp_path / "1", a="one", b="two")
    tree = store.put(files_of(tmp_path / "1"), files)
    place.age(OLD_S)

    def needed() -> frozenset[str]:
        another(place).put(files_of(tmp_path / "1"), files)  # by another process, which has not registered it yet
        return NOTHING

    assert collect(store, needed, dry_run=False) == []
    assert whole(store, tree, files)


class Interrupted:
    """A storage that calls `act` with the number and the name of each of its calls, before it."""

    def __init__(self, storage: Storage, act: Callable[[int, str], object]) -> None:
        self._storage, self._act, self.calls = storage, act, 0

    def __getattr__(self, name: str) -> Callable[..., object]:
        def call(*arguments: object) -> object:
            self.calls += 1
            self._act(self.calls, name)
            return getattr(self._storage, name)(*arguments)

        return call


def collect_with(place: Place, act: Callable[[int, str], object]) -> int:
    """A collection of all that is old now, with `act` before each of its calls; how many there were."""
    place.age(OLD_S)
    interrupted = Interrupted(place.storage, act)
    collect(ArtifactStore(cast(Storage, interrupted)), lambda: NOTHING, dry_run=False)
    return interrupted.calls


def test_what_is_put_at_any_moment_of_a_collection_is_there_from_then_on(
    place: Place, store: ArtifactStore, tmp_path: Path
) -> None:
    files = upload(tmp_path / "1", a="one")
    tree = store.put(files_of(tmp_path / "1"), files)
    calls = collect_with(place, lambda *_: None)
    assert store.stored() == []
    assert calls > 10
    for at in range(1, calls + 1):
        store.put(files_of(tmp_path / "1"), files)

        def act(call: int, _: str, at: int = at) -> None:
            if call == at:
                store.put(files_of(tmp_path / "1"), files)
            if call >= at:
                assert whole(store, tree, files)

        assert collect_with(place, act) >= at
        assert whole(store, tree, files)


class Killed(BaseException):
    pass


@pytest.mark.parametrize("calls_left", range(1, 6))
@pytest.mark.parametrize("file", [1, 2])
def test_a_collection_that_dies_after_a_put_has_lost_nothing(
    place: Place, store: ArtifactStore, tmp_path: Path, file: int, calls_left: int
) -> None:
    files = upload(tmp_path / "1", a="one")
    tree = store.put(files_of(tmp_path / "1"), files)
    renamings: list[int] = []

    def act(call: int, name: str) -> None:
        renamings.extend([call] * (name == "rename"))
        if renamings[file - 1 :] == [call]:  # the listing or the file is taken aside next
            store.put(files_of(tmp_path / "1"), files)
        elif renamings[file - 1 :] and call == renamings[file - 1] + calls_left:
            raise Killed

    with suppress(Killed):
        collect_with(place, act)
    (tmp_path / "1").rename(tmp_path / "gone")
    assert whole(another(place), tree, files)
    assert store.put(files_of(tmp_path / "1"), files) == tree
    collect(store, lambda: NOTHING, dry_run=False)
    assert whole(store, tree, files)
    assert place.names(ASIDE) == []


def test_what_a_dead_collection_has_taken_aside_is_found_and_goes_with_a_later_one(
    place: Place, store: ArtifactStore, tmp_path: Path
) -> None:
    files = upload(tmp_path / "1", a="one")
    tree = store.put(files_of(tmp_path / "1"), files)
    for path in (f"trees/{tree}.json", blob(files["a"])):
        place.storage.rename(path, f"{ASIDE}/{path.replace('/', '~')}~0123")
    place.age(OLD_S)
    place.overwrite(f"{ASIDE}/notes", b"foreign")
    assert collect(store, lambda: NOTHING, dry_run=True) == []
    assert whole(store, tree, files)
    place.age(OLD_S)
    assert {one.name for one in collect(store, lambda: NOTHING, dry_run=False)} == {tree, files["a"]}
    assert store.stored() == []
    assert place.names(ASIDE) == ["notes"]


def test_puts_of_old_garbage_race_with_collections_and_every_put_is_whole(
    place: Place, store: ArtifactStore, tmp_path: Path
) -> None:
    uploads = [(tmp_path / str(at), upload(tmp_path / str(at), own=f"{at}", shared="same")) for at in range(12)]
    for folder, files in uploads:
        store.put(files_of(folder), files)
    place.age(OLD_S)

    def work(at: int) -> None:
        if at % 4 == 0:
            collect(another(place), lambda: NOTHING, dry_run=False)
        folder, files = uploads[at % len(uploads)]
        tree = another(place).put(files_of(folder), files)
        assert whole(store, tree, files)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(48)))
    for folder, files in uploads:
        assert whole(store, store.put(files_of(folder), files), files)
