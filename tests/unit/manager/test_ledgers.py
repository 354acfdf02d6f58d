"""Ledgers are read again when anybody wrote to the store, and only then."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.manager import ledgers as module
from seatrial.manager.ledgers import Ledgers
from seatrial.registry.mlmd_store import Registry
from tests.running import SERVED


class Followed:
    """The ledgers of a registry with `upload`@1, and another registry on the same store. `told` counts the changes."""

    def __init__(self, folder: Path) -> None:
        connection = f"sqlite:///{folder / 'registry.sqlite'}"
        self.other = Registry(connection)
        self.other.register("upload", "a" * 64, served=SERVED, manifest={"name": "upload"})
        self.told = 0
        self.ledgers = Ledgers(Registry(connection), self._tell)
        self.ledgers.look()

    def _tell(self) -> None:
        self.told += 1

    def stages(self) -> list[str]:
        return [move.to_stage for move in self.ledgers.of("upload")]


@pytest.fixture
def followed(tmp_path: Path) -> Followed:
    return Followed(tmp_path)


def test_what_another_manager_wrote_is_found_by_the_next_look_and_told_once(followed: Followed) -> None:
    assert followed.stages() == []
    before = followed.told
    followed.other.move_stage("upload", 1, "Staging")
    assert followed.stages() == []  # nobody has looked yet
    for _ in range(3):
        followed.ledgers.look()
    assert followed.stages() == ["Staging"]
    assert followed.told == before + 1


def test_a_ledger_is_read_once_as_long_as_nobody_writes(followed: Followed) -> None:
    first = followed.ledgers.of("upload")
    followed.ledgers.look()
    assert followed.ledgers.of("upload") is first


def test_after_a_while_everything_counts_as_new(followed: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    first, before = followed.ledgers.of("upload"), followed.told
    monkeypatch.setattr(module, "FRESH_S", -1.0)
    followed.ledgers.look()
    assert followed.ledgers.of("upload") is not first
    assert followed.told == before + 1
