"""What may be removed: never what is needed, young, or part of a tree that stays."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from seatrial.storage.garbage import GRACE_S, StoredFile, garbage
from seatrial.storage.local import WRITING

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
    assert kinds == sorted(kinds, key=("tree", "file", "temporary", "damaged").index)
