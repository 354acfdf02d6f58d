from __future__ import annotations

from pathlib import Path

from seatrial.serving.server_log import FORMER, KEPT, LOG, cut_log, log_tail


def test_only_the_end_of_a_long_log_is_read(tmp_path: Path) -> None:
    (tmp_path / LOG).write_text("first\n" + "line\n" * 500_000 + "last\n")
    assert log_tail(tmp_path, lines=2) == ("line", "last")
    assert len(log_tail(tmp_path, lines=10**6)) <= KEPT / len("line\n") + 1
    assert log_tail(tmp_path, lines=0) == ()
    assert log_tail(tmp_path / "none") == ()


def test_a_log_that_is_too_long_is_cut_and_its_last_lines_stay(tmp_path: Path) -> None:
    with (tmp_path / LOG).open("ab") as server:
        server.write(b"first\n" + b"x" * KEPT + b"\nlast\n")
        server.flush()
        cut_log(tmp_path, limit=1000)
        server.write(b"and on\n")
    tail = log_tail(tmp_path)
    assert (tail[-3], tail[-1]) == ("last", "and on")
    assert "were cut off" in tail[-2]
    assert (tmp_path / LOG).stat().st_size < 1000, "the server goes on at the beginning, not behind a hole"
    assert (tmp_path / FORMER).stat().st_size <= KEPT


def test_a_log_within_its_limit_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / LOG).write_text("line\n")
    cut_log(tmp_path, limit=5)
    cut_log(tmp_path / "none")
    assert [path.name for path in tmp_path.iterdir()] == [LOG]


def test_a_log_is_cut_also_where_there_is_no_space_for_its_last_lines(tmp_path: Path) -> None:
    (tmp_path / FORMER).mkdir()  # cannot be written, like a file on a full disk
    (tmp_path / LOG).write_text("line\n" * 1000)
    cut_log(tmp_path, limit=100)
    assert (tmp_path / LOG).stat().st_size < 200
