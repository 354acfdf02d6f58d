"""Tokens: made once, kept as digests, revoked for good; and how often an address may come without one."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from fastapi import Request
from hypothesis import given
from hypothesis import strategies as st

from seatrial.errors import Conflict, NotFound, Refused
from seatrial.manager.audit import Audit
from seatrial.manager.tokens import ROLES, FailedAttempts, TokenFile, Tokens, home_token, keep_private, token_of


def test_a_token_opens_until_it_is_revoked_and_is_kept_nowhere(tmp_path: Path) -> None:
    file = TokenFile(tmp_path)
    made, secret = file.create("player", "client")
    tokens = Tokens(file, "the home's own")
    found = tokens.find(secret)
    assert found is not None
    assert (found.name, found.role) == ("player", "client")
    assert secret not in file.path.read_text()
    assert file.path.stat().st_mode & 0o777 == 0o600
    file.revoke("player")
    assert tokens.find(secret) is None
    assert tokens.find("") is None
    assert made.hint == secret[-4:]


def test_a_running_manager_sees_a_token_that_was_made_after_it_began(tmp_path: Path) -> None:
    tokens = Tokens(TokenFile(tmp_path), "own")
    assert tokens.find("own") is not None
    _, secret = TokenFile(tmp_path).create("late", "operator")
    assert tokens.find(secret) is not None


def test_a_name_is_taken_while_its_token_is_valid_and_free_after(tmp_path: Path) -> None:
    file = TokenFile(tmp_path)
    file.create("player", "client")
    with pytest.raises(Conflict, match="revoke it first"):
        file.create("player", "client")
    first = file.revoke("player")
    assert file.revoke("player") == first
    file.create("player", "researcher")
    assert [token.revoked_ms is None for token in file.read()] == [False, True]


@pytest.mark.parametrize(("name", "role"), [("", "client"), ("../x", "client"), ("A b", "client"), ("home", "client")])
def test_a_bad_name_is_refused_and_nothing_is_written(tmp_path: Path, name: str, role: str) -> None:
    with pytest.raises(Refused, match="token name"):
        TokenFile(tmp_path).create(name, role)
    with pytest.raises(Refused, match="role 'root' is not one of client, researcher, operator"):
        TokenFile(tmp_path).create("player", "root")
    with pytest.raises(NotFound, match="known: none yet"):
        TokenFile(tmp_path).revoke("player")
    assert not (tmp_path / "tokens.json").exists()


def test_tokens_made_at_once_are_all_kept(tmp_path: Path) -> None:
    threads = [
        threading.Thread(target=lambda n=n: TokenFile(tmp_path).create(f"token-{n}", "client"))  # type: ignore[misc]
        for n in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(TokenFile(tmp_path).read()) == 12


def test_the_homes_own_token_is_readable_by_its_owner_only_and_stays(tmp_path: Path) -> None:
    first = home_token(tmp_path / "home")
    assert (tmp_path / "home" / "token").stat().st_mode & 0o777 == 0o600
    assert home_token(tmp_path / "home") == first
    assert len(first) >= 32


@given(st.sampled_from(ROLES), st.sampled_from(ROLES))
def test_a_role_may_do_what_the_ones_before_it_may(has: str, asked: str) -> None:
    assert token_of("x", has, "secret").may(asked) == (ROLES.index(has) >= ROLES.index(asked))  # type: ignore[arg-type]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 10)), max_size=80), st.integers(1, 5))
def test_no_address_fails_more_often_than_its_burst_and_its_rate(tries: list[tuple[str, float]], burst: int) -> None:
    now = [0.0]
    attempts = FailedAttempts(burst=burst, every_s=2.0, clock=lambda: now[0])
    passed: dict[str, int] = {"a": 0, "b": 0}
    for address, pause_s in tries:
        now[0] += pause_s
        wait_s = attempts.failed(address)
        assert wait_s >= 0
        passed[address] += wait_s == 0
        assert passed[address] <= burst + now[0] / 2.0 + 1e-6


def test_one_that_waited_as_long_as_it_was_told_is_heard_again_and_others_never_waited() -> None:
    now = [0.0]
    attempts = FailedAttempts(burst=2, every_s=3.0, addresses=100, clock=lambda: now[0])
    assert [attempts.failed("a") for _ in range(3)] == [0, 0, 3.0]
    assert attempts.failed("b") == 0
    now[0] += 3.0
    assert attempts.failed("a") == 0
    for n in range(1000):
        attempts.failed(f"10.0.0.{n}")
    assert len(attempts._spent) <= 101


def test_the_manager_does_not_listen_to_others_before_a_token_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from seatrial.manager.__main__ import main

    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path))
    monkeypatch.setattr("sys.argv", ["seatrial-manager", "--host", "0.0.0.0"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "no valid token" in capsys.readouterr().err
    TokenFile(tmp_path).create("gone", "operator")
    TokenFile(tmp_path).revoke("gone")
    with pytest.raises(SystemExit):
        main()


def test_files_that_others_could_read_are_closed_to_them(tmp_path: Path) -> None:
    modes = {"open": 0o644, "group": 0o640, "closed": 0o600, "read only": 0o400}
    for name, mode in modes.items():
        (tmp_path / name).touch()
        (tmp_path / name).chmod(mode)
    keep_private(*(tmp_path / name for name in (*modes, "not there")))
    found = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert found == {"open": 0o600, "group": 0o600, "closed": 0o600, "read only": 0o400}


def test_audit_lines_are_for_their_owner_only_also_those_of_an_earlier_version(tmp_path: Path) -> None:
    for name in ("audit.jsonl", "audit.jsonl.1"):
        (tmp_path / name).touch(0o644)
    for folder in (tmp_path, tmp_path / "new"):
        audit = Audit(folder / "audit.jsonl")
        audit.write(Request({"type": "http", "method": "PUT", "path": "/", "headers": []}), None, 200)
        audit.close()
        assert {path.stat().st_mode & 0o777 for path in folder.glob("audit.jsonl*")} == {0o600}
        assert len((folder / "audit.jsonl").read_text().splitlines()) == 1
