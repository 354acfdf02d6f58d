"""The discovery document is made once for each news, however many ask; nothing that is news is missed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from seatrial.manager.editions import Edition, Editions
from seatrial.manager.news import News


class Maker:
    """Makes `documents` one after another, the last one again and again, and calls `meanwhile` while it does."""

    def __init__(self, *documents: dict[str, Any] | Exception, meanwhile: Callable[[], None] = lambda: None) -> None:
        self.news, self.made = News(), 0
        self._documents, self._meanwhile = documents, meanwhile
        self.editions = Editions(self._make, self.news)

    def _make(self) -> dict[str, Any]:
        found = self._documents[min(self.made, len(self._documents) - 1)]
        self.made += 1
        self._meanwhile()
        if isinstance(found, Exception):
            raise found
        return found

    async def asked(self, times: int) -> list[Edition]:
        return await asyncio.gather(*(self.editions.newest() for _ in range(times)))


@pytest.fixture
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


def test_all_who_ask_share_one_document_until_there_is_news(loop: asyncio.Runner) -> None:
    maker = Maker({"models": {}}, {"models": {"pitch": {}}})
    (first,) = {
        id(edition): edition for edition in [*loop.run(maker.asked(1000)), *loop.run(maker.asked(1000))]
    }.values()
    assert (maker.made, first.body) == (1, b'{"models":{}}')
    maker.news.changed()
    (second,) = {id(edition): edition for edition in loop.run(maker.asked(1000))}.values()
    assert (maker.made, second.body) == (2, b'{"models":{"pitch":{}}}')
    assert second.etag != first.etag


def test_an_equal_document_has_an_equal_etag_also_of_another_manager(loop: asyncio.Runner) -> None:
    one, other = Maker({"a": 1, "b": 2}), Maker({"b": 2, "a": 1})
    assert loop.run(one.asked(1))[0].etag == loop.run(other.asked(1))[0].etag


def test_news_while_a_document_is_made_is_told_by_the_next_one(loop: asyncio.Runner) -> None:
    maker = Maker({"models": {}}, meanwhile=lambda: maker.news.changed() if maker.made == 1 else None)
    first, second, third = (loop.run(maker.asked(1))[0] for _ in range(3))
    assert first.revision < second.revision == third.revision
    assert maker.made == 2


def test_a_document_that_could_not_be_made_is_tried_again_by_the_next_who_asks(loop: asyncio.Runner) -> None:
    maker = Maker(OSError("the store is away"), {"models": {}})
    with pytest.raises(OSError, match="away"):
        loop.run(maker.asked(1))
    assert loop.run(maker.asked(1))[0].body == b'{"models":{}}'


def test_who_knows_the_newest_edition_is_told_the_next_one_and_no_equal_one(loop: asyncio.Runner) -> None:
    maker = Maker({"models": {}}, {"models": {}}, {"models": {"pitch": {}}})

    async def news_until_told() -> Edition:
        known = await maker.editions.newest()
        told = asyncio.ensure_future(maker.editions.other_than(known.etag, wait_s=60))
        while not told.done():
            if maker.news.waiting:
                maker.news.changed()
            await asyncio.sleep(0)
        return told.result()

    assert loop.run(news_until_told()).body == b'{"models":{"pitch":{}}}'
    assert maker.made == 3


def test_who_waits_without_news_is_told_the_edition_that_it_knows(loop: asyncio.Runner) -> None:
    maker = Maker({"models": {}})
    known = loop.run(maker.editions.newest())
    assert loop.run(maker.editions.other_than(known.etag, wait_s=0.01)) is known
    assert maker.news.waiting == 0


def test_nobody_waits_for_a_manager_that_is_about_to_stop(loop: asyncio.Runner) -> None:
    maker = Maker({"models": {}})
    known = loop.run(maker.editions.newest())

    async def closed_while_it_waits() -> Edition:
        told = asyncio.ensure_future(maker.editions.other_than(known.etag, wait_s=60))
        while not maker.news.waiting:
            await asyncio.sleep(0)
        maker.news.close()
        return await told

    assert loop.run(closed_while_it_waits()) is known
