from __future__ import annotations

import io

import pytest

from seatrial.cli_progress import EVERY_S, Progress, progress_line, size


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (999.6, "1 kB"),
        (1234, "1.23 kB"),
        (45_600_000, "45.6 MB"),
        (2e15, "2e+03 TB"),
    ],
)
def test_sizes_have_three_figures(number: float, said: str) -> None:
    assert size(number) == said


def test_the_rate_is_of_what_was_sent_and_not_of_what_was_there() -> None:
    assert progress_line(400_000_000, 100_000_000, 20_000_000, 10.0) == "120 MB of 400 MB, 2 MB/s, 140 s left"
    assert progress_line(400, 100, 0, 10.0).endswith("0 bytes/s, no end in sight")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_a_bar_with_bytes_rate_and_what_remains() -> None:
    seen = Terminal()
    with Progress(seen) as progress:
        advance = progress.start(4_000_000, 1_000_000)
        advance(3_000_000)
    assert "4.0/4.0 MB" in seen.getvalue()
    assert "0:00:00" in seen.getvalue()


def test_anything_else_sees_a_line_every_few_seconds() -> None:
    seen, now = io.StringIO(), [100.0]
    with Progress(seen, lambda: now[0]) as progress:
        advance = progress.start(1000, 0)
        for _ in range(10):
            now[0] += EVERY_S / 2
            advance(100)
    assert seen.getvalue().splitlines()[0] == "200 bytes of 1 kB, 40 bytes/s, 20 s left"
    assert len(seen.getvalue().splitlines()) == 5
