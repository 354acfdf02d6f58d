"""Which error an answer of HDFS stands for: by the exception's name, since the status says little."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.errors import NotFound, Refused, SeatrialError, TryAgain
from seatrial.storage.port import Entry
from seatrial.storage.webhdfs_answers import Answer, Passing, clock_s, entry, failure

ASKED = "HDFS at nn:9870: /a"


def remote(name: str, message: str = "m") -> str:
    return json.dumps({"RemoteException": {"exception": name, "javaClassName": f"x.{name}", "message": message}})


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (403, remote("RetriableException", "NameNode still not started"), Passing),
        (403, remote("SafeModeException", "Cannot create file/a. Name node is in safe mode."), Passing),
        (403, remote("StandbyException", "Operation category READ is not supported in state standby"), Passing),
        (403, remote("EOFException", "End of File Exception between local host is …"), Passing),
        (403, remote("IOException", "Failed to find datanode, suggest to check cluster health."), Passing),
        (403, remote("IOException", "Failed on local exception: java.io.IOException: Broken pipe"), Passing),
        (403, remote("IOException", "File /a could only be written to 0 of the 1 minReplication nodes."), Passing),
        (403, remote("IOException", "No active and not excluded nodes contain this block"), Passing),
        (403, remote("BlockMissingException", "Could not obtain block"), Passing),
        (503, "<html>busy</html>", Passing),
        (404, remote("FileNotFoundException"), NotFound),
        (400, remote("InvalidPathException"), Refused),
        (403, remote("PathComponentTooLongException"), Refused),
        (403, remote("AccessControlException", "Permission denied: user=alice"), SeatrialError),
        (401, remote("SecurityException", "Failed to obtain user group information"), SeatrialError),
        (403, remote("InvalidToken", "token is expired"), SeatrialError),
        (403, remote("DSQuotaExceededException"), TryAgain),
        (403, remote("IOException", "Stream closed"), TryAgain),
        (500, remote("NullPointerException"), TryAgain),
        (404, "It looks like you are making an HTTP request to a Hadoop IPC port.", SeatrialError),
        (401, "<html>Authentication required</html>", SeatrialError),
        (302, "", SeatrialError),
    ],
)
def test_the_exceptions_name_says_what_to_do_next(status: int, text: str, kind: type[Exception]) -> None:
    found = failure(status, text, ASKED)
    assert type(found) is kind
    assert str(found).startswith(ASKED)


def test_of_a_stack_trace_only_the_first_line_is_told() -> None:
    assert str(failure(403, remote("IOException", "disk\n\tat org.apache"), ASKED)) == f"{ASKED}: IOException: disk"


@given(st.integers(300, 599), st.text())
def test_any_answer_is_an_error(status: int, text: str) -> None:
    assert isinstance(failure(status, text, ASKED), SeatrialError | Passing)


@pytest.mark.parametrize("text", ["<html>login</html>", "[]", "1", '{"cut off', '{"status": "ok"}'])
def test_what_is_not_webhdfs_is_told(text: str) -> None:
    with pytest.raises(SeatrialError, match="not WebHDFS's form"):
        Answer(text, ASKED)["FileStatus"]


def test_some_answers_are_empty() -> None:
    assert Answer("", ASKED) == {}


@given(st.text())
def test_any_text_is_a_moment_or_none(date: str) -> None:
    assert clock_s(date) is None or isinstance(clock_s(date), float)
    assert clock_s("Thu, 26 Nov 2026 06:32:50 GMT") == 1795674770.0


def test_ages_are_by_the_namenodes_clock() -> None:
    status = {"pathSuffix": "a", "type": "FILE", "length": 5, "modificationTime": 990_000}
    assert entry(status, now_s=1000.0) == Entry("a", False, 5, 10.0, 990_000_000_000)
