from __future__ import annotations

from seatrial.serving.triton_log import is_port_clash, reason, telling

FAILED = """\
I1123 14:31:01.088 8353 server.cc:600]
+---------+------+
| Backend | Path |
+---------+------+
E1123 14:31:01.090 8353 model_repository_manager.cc:1460] "failed to load 'tiny' version 1: Internal: bad file"
I1123 14:31:01.100 8353 server.cc:312] "Waiting for in-flight requests to complete."
"""


def test_tables_and_blank_lines_say_nothing() -> None:
    assert [line.split("] ")[-1][:8] for line in telling(FAILED)[1:]] == ['"failed ', '"Waiting']


def test_the_reason_is_what_it_ended_with_else_the_last_error_else_the_last_line() -> None:
    assert (
        reason([*telling(FAILED), "error: creating server: Internal - failed"]) == "creating server: Internal - failed"
    )
    assert reason(telling(FAILED)) == "failed to load 'tiny' version 1: Internal: bad file"
    without_gpu = 'E1126 06:28:18.028808 15175 server.cc:241] "CudaDriverHelper has not been initialized."'
    assert reason([without_gpu, "Status Message: out of bounds"]) == "Status Message: out of bounds"
    assert reason(["Bye."]) == "Bye."
    assert reason([]) == "it left no log"


def test_control_characters_and_endless_lines_do_not_reach_a_person() -> None:
    (line,) = telling("\x1b[31mred" + "x" * 10_000)
    assert line.startswith("[31mred")
    assert len(line) <= 400


def test_a_taken_port_is_told_from_other_failures() -> None:
    said = "failed to start HTTP service: Unavailable - Socket '127.0.0.1:20001' already in use "
    assert is_port_clash([f'E1123 14:31:01.090 8353 main.cc:293] "{said}"'])
    assert not is_port_clash(telling(FAILED))
    named = f"failed to load 'tiny' version 1: Internal: bad node {said}"
    assert not is_port_clash([f'E1123 14:31:01.090 8353 model_lifecycle.cc:654] "{named}"', said])
