"""What may be removed: never what is needed, young, or part of a tree that stays."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.errors import SeatrialError
from seatrial.storage.artifacts import ArtifactStore
from seatrial.storage.garbage import GRACE_S, StoredFile, collect, garbage
from seatrial.storage.local import WRITING, digest_file

NOTHING = frozenset[str]()
names = st.sampled_from("abcdef")
ages = st.sampled_from([-5.0, 0.0, GRACE_S, GRACE_S + 1, 9 * GRACE_S])
stores = st.tuples(
    st.dictionaries(
        names.map(lambda name: f"tree {name}"), st.tuples(ages, st.frozensets(names, max_size=3)), max_size=4
    ),
    st.dictionaries(names, ages, max_size=6),
    st.dictionaries(names.map(lambda name: f"{WRITING}{name}"), ages, max_size=2),
)


@given(stores, st.frozensets(st.one_of(names, names.map(lambda name: f"tree {name}")), max_size=4))
def test_exactly_what_is_old_and_neither_needed_nor_in_a_tree_that_stays_goes(
    store: tuple[dict[str, tuple[float, frozenset[str]]], dict[str, float], dict[str, float]], needed: frozenset[str]
) -> None:
    trees, files, temporary = store
    stored = [
        *(StoredFile("tree", name, 1, age) for name, (age, _) in trees.items()),
        *(StoredFile("file", name, 1, age) for name, age in files.items()),
        *(StoredFile("temporary", name, 1, age) for name, age in temporary.items()),
    ]
    gone = [one.name for one in garbage(stored, needed, lambda tree: {part: part for part in trees[tree][1]})]
    for name, (age, parts) in trees.items():
        assert (name in gone) == (age > GRACE_S and name not in needed)
        if name not in gone:
            assert not parts & set(gone)
    staying = {part for name, (_, parts) in trees.items() if name not in gone for part in parts}
    for name, age in files.items():
        assert (name in gone) == (age > GRACE_S and name not in needed | staying)
    for name, age in temporary.items():
        assert (name in gone) == (age > GRACE_S)
    kinds = [next(one.kind for one in stored if one.name == name) for name in gone]
    assert kinds == sorted(kinds, key=("tree", "file", "temporary").index)


def upload(folder: Path, **contents: str) -> dict[str, str]:
    """Files of an upload, path → digest."""
    for name, text in contents.items():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return {name: digest_file(folder / name) for name in contents}


def age(store: Path, hours: float = 2) -> None:
    then = time.time() - hours * 3600
    for path in store.rglob("*"):
        if path.is_file():
            os.utime(path, (then, then))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "artifacts"


def whole(store: ArtifactStore, tree: str, files: Mapping[str, str]) -> bool:
    return store.files(tree) == dict(files) and all(store.read(tree, path) for path in files)


def test_an_old_tree_that_nothing_needs_goes_with_its_files_but_not_with_shared_ones(
    tmp_path: Path, root: Path
) -> None:
    store = ArtifactStore(root)
    first, second = upload(tmp_path / "1", a="one", b="shared"), upload(tmp_path / "2", c="two", b="shared")
    gone, kept = store.put(tmp_path / "1", first), store.put(tmp_path / "2", second)
    age(root)
    assert collect(store, lambda: frozenset({gone, kept}), dry_run=False) == []
    listed = collect(store, lambda: frozenset({kept}), dry_run=True)
    assert {one.name for one in listed} == {gone, first["a"]}
    assert [one.bytes for one in listed if one.kind == "file"] == [3]
    assert "last put 2.0 h ago" in listed[0].reason
    assert whole(store, gone, first)
    assert collect(store, lambda: frozenset({kept}), dry_run=False) == listed
    assert whole(store, kept, second)
    assert collect(store, lambda: frozenset({kept}), dry_run=False) == []
    assert store.put(tmp_path / "1", first) == gone
    assert whole(store, gone, first)


def test_what_was_put_within_the_hour_stays_also_when_its_bytes_were_there_for_long(tmp_path: Path, root: Path) -> None:
    store = ArtifactStore(root)
    files = upload(tmp_path / "1", a="one", b="two")
    tree = store.put(tmp_path / "1", files)
    age(root)
    assert store.put(tmp_path / "1", files) == tree
    assert collect(store, lambda: NOTHING, dry_run=False) == []
    assert whole(store, tree, files)


def test_temporary_files_go_once_they_are_old_and_foreign_files_never(tmp_path: Path, root: Path) -> None:
    store = ArtifactStore(root)
    store.put(tmp_path, upload(tmp_path, a="one"))
    left = [root / "trees" / f"{WRITING}x", next(root.glob("blobs/*")) / f"{WRITING}y"]
    foreign = root / "trees" / "notes.txt"
    for path in (*left, foreign):
        path.write_text("half")
    assert collect(store, lambda: NOTHING, dry_run=False) == []
    age(root)
    gone = collect(store, lambda: frozenset(one.name for one in store.stored()) - {p.name for p in left}, dry_run=False)
    assert {one.name for one in gone} == {path.name for path in left}
    assert "writer that stopped" in gone[0].reason
    assert not any(path.exists() for path in left)
    collect(store, lambda: NOTHING, dry_run=False)
    assert foreign.exists()


def test_a_damaged_listing_of_a_tree_that_stays_removes_nothing(tmp_path: Path, root: Path) -> None:
    store = ArtifactStore(root)
    kept = store.put(tmp_path / "1", upload(tmp_path / "1", a="one"))
    store.put(tmp_path / "2", upload(tmp_path / "2", a="two"))
    (root / "trees" / f"{kept}.json").write_text("{")
    age(root)
    before = sorted(root.rglob("*"))
    with pytest.raises(SeatrialError, match="is damaged"):
        collect(store, lambda: frozenset({kept}), dry_run=False)
    assert sorted(root.rglob("*")) == before


def test_what_is_put_or_registered_between_the_look_and_the_removal_stays(tmp_path: Path, root: Path) -> None:
    store = ArtifactStore(root)
    files = upload(tmp_path / "1", a="one", b="two")
    tree = store.put(tmp_path / "1", files)
    age(root)

    def needed() -> frozenset[str]:
        ArtifactStore(root).put(tmp_path / "1", files)  # by another process, which has not registered it yet
        return NOTHING

    assert collect(store, needed, dry_run=False) == []
    assert whole(store, tree, files)


def test_puts_of_old_garbage_race_with_collections_and_every_put_is_whole(tmp_path: Path, root: Path) -> None:
    store = ArtifactStore(root)
    uploads = [(tmp_path / str(at), upload(tmp_path / str(at), own=f"{at}", shared="same")) for at in range(40)]
    for folder, files in uploads:
        store.put(folder, files)
    age(root)

    def work(at: int) -> None:
        if at % 4 == 0:
            collect(ArtifactStore(root), lambda: NOTHING, dry_run=False)
        folder, files = uploads[at % len(uploads)]
        tree = ArtifactStore(root).put(folder, files)
        assert whole(store, tree, files)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(120)))
    for folder, files in uploads:
        assert whole(store, store.put(folder, files), files)
