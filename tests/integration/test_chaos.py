"""A short run of what `make test-chaos` does: one kill of the manager in each step, each replica, a reboot."""

from __future__ import annotations

from pathlib import Path
from random import SystemRandom

from tests.chaos.__main__ import chaos


def test_what_is_wanted_is_reached_again_whatever_is_killed(tmp_path: Path) -> None:
    summary = chaos(tmp_path / "home", kills=3, seed=SystemRandom().randrange(10**6))
    assert summary["ok"], summary
