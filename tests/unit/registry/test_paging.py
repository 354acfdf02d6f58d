"""Pages that stay right while items are added."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.errors import Refused
from seatrial.registry.paging import Order, Page, check_limit, decode, encode, key_of, page, parse_order

Items = dict[int, float | str | None]
values = st.one_of(st.none(), st.integers(0, 3), st.floats(0, 1), st.sampled_from("abc"))
items = st.dictionaries(st.integers(1, 40), values, max_size=15)
orders = st.builds(Order, st.just("metric.f1"), st.booleans())


def shown(kept: Items, order: Order, limit: int, cursor: str | None) -> Page[int]:
    return page([(key_of(value, unique), unique) for unique, value in kept.items()], order, limit, "q", cursor)


def walk(kept: Items, order: Order, limit: int) -> list[int]:
    found: list[int] = []
    cursor = None
    while True:
        one = shown(kept, order, limit, cursor)
        found += one.items
        cursor = one.cursor
        if cursor is None:
            return found


@given(items, orders, st.integers(1, 5))
def test_pages_together_are_the_whole_in_order_each_item_once(kept: Items, order: Order, limit: int) -> None:
    found = walk(kept, order, limit)
    assert sorted(found) == sorted(kept)
    assert found == walk(kept, order, 500)


@given(items, orders)
def test_what_lacks_the_value_comes_last_in_either_direction(kept: Items, order: Order) -> None:
    lacking = [kept[unique] is None for unique in walk(kept, order, 3)]
    assert lacking == sorted(lacking)


@given(items, items, orders, st.integers(1, 5))
def test_items_added_between_pages_neither_repeat_nor_hide_what_was_there(
    kept: Items, added: Items, order: Order, limit: int
) -> None:
    new = {unique + 100: value for unique, value in added.items()}
    first = shown(kept, order, limit, None)
    rest = list(first.items)
    cursor = first.cursor
    while cursor is not None:
        one = shown({**kept, **new}, order, limit, cursor)
        rest += one.items
        cursor = one.cursor
    assert len(rest) == len(set(rest))
    if first.cursor is not None:
        assert [unique for unique in rest if unique in kept] == walk(kept, order, limit)


@given(items, st.booleans())
def test_numbers_are_ordered_as_numbers(kept: Items, descending: bool) -> None:
    numbers = [kept[unique] for unique in walk(kept, Order("f", descending), 2)]
    found = [value for value in numbers if isinstance(value, int | float)]
    assert found == sorted(found, reverse=descending)


def test_a_cursor_of_another_question_or_of_nobody_is_refused() -> None:
    cursor = encode(key_of("a", 7), "models")
    assert decode(cursor, "models") == (0, "a", 7)
    with pytest.raises(Refused, match="another filter or order"):
        decode(cursor, "versions")
    for made_up in ("", "x", "!!", "e30", cursor[:-4]):
        with pytest.raises(Refused, match="not one of this listing"):
            decode(made_up, "models")


@pytest.mark.parametrize("limit", [0, -1, 501])
def test_a_page_has_a_limit(limit: int) -> None:
    with pytest.raises(Refused, match="not from 1 to 500"):
        check_limit(limit)


def test_a_minus_turns_an_order_round() -> None:
    assert (parse_order("-created"), parse_order("name")) == (Order("created", True), Order("name"))
    assert str(parse_order("-created")) == "-created"
