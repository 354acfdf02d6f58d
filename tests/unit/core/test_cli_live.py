"""What `seatrial profile` shows while it measures."""

from __future__ import annotations

import io

import pytest

from seatrial.cli_live import Live, row
from seatrial.steps.profile_version import Seen

FIGURES = {"lambda_max": 380.04, "mu": 402.0, "p99_ms": 148.2}
SEEN = (
    Seen("cpu-2x2", "measure", "began"),
    Seen("cpu-2x2", "measure", "measured", figures=FIGURES),
    Seen("cpu-[4x4]", "measure", "skipped", reason="needs 4 cores, this machine has 2"),
    Seen("cpu-1x1", "measure", "failed", reason="the server died"),
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_an_option_is_a_row_with_its_figures_or_its_reason() -> None:
    assert [row(seen) for seen in SEEN] == [
        ("cpu-2x2", "measure", "", "", "", "…"),
        ("cpu-2x2", "measure", "380.0", "402.0", "148.2", ""),
        ("cpu-[4x4]", "measure", "", "", "", "needs 4 cores, this machine has 2"),
        ("cpu-1x1", "measure", "", "", "", "the server died"),
    ]


def test_on_a_terminal_the_table_stays_with_one_row_for_an_option_in_a_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    to = Terminal()
    with Live(to) as live:
        for seen in SEEN:
            live.show(seen)
        live.say("idle: p50 2.6 ms")
    last = to.getvalue().rpartition("option ")[2]
    assert [last.count(name) for name in ("cpu-2x2", "380.0", "cpu-[4x4]", "the server died")] == [1, 1, 1, 1]
    assert "idle" not in last


def test_elsewhere_each_thing_is_a_line_when_it_happens() -> None:
    to = io.StringIO()
    with Live(to) as live:
        live.show(SEEN[0])
        live.say("idle: p50 2.6 ms")
        live.show(SEEN[1])
    assert to.getvalue() == "cpu-2x2 measure …\n  idle: p50 2.6 ms\ncpu-2x2 measure 380.0 402.0 148.2\n"
