"""Every command of `seatrial` against a real manager that serves a real model."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

pytest.importorskip("ml_metadata", reason="the manager runs in its own environment only")

from seatrial.client.manager_api import ManagerAPI
from seatrial.manager.routes.discovery import DiscoveryDocument
from seatrial.waiting import Deadline, wait_until
from tests.commands import PROGRAM, Seatrial, document, seatrial_in
from tests.models import write_upload
from tests.served import serve


@pytest.fixture(scope="module")
def served(manager: ManagerAPI, home: Path) -> int:
    """Version 1 of `tiny` (y = 2x) in Production; its model id."""
    return serve(manager, write_upload(home / "uploads" / "first", description="twice the input", user="ann"))


def test_status_shows_the_manager_the_model_and_its_ready_server(seatrial: Seatrial, served: int) -> None:
    shown = seatrial("status").stdout
    assert "Inference Manager" in shown
    assert "tiny@1 on cpu-1x1: ready, 1 of 1 replica(s) ready" in shown
    assert document(seatrial("status", "tiny", "--json"))["models"][0]["production"] == 1


def test_what_discovery_answers_is_what_the_api_declares(manager: ManagerAPI, served: int) -> None:
    found = manager.discovery(None, 0)
    assert found is not None
    version = DiscoveryDocument.model_validate(found[0]).models["tiny"].environments["local"].versions["1"]
    assert (version.model_id, len(version.endpoints)) == (served, 1)


def test_deployments_show_what_runs_in_a_table_and_each_replica_in_detail(seatrial: Seatrial, served: int) -> None:
    head, row = seatrial("deployments").stdout.splitlines()
    assert head.split() == ["version", "stage", "environment", "option", "replicas", "state", "error"]
    assert row.split() == ["tiny@1", "Production", "local", "cpu-1x1", "1/1", "ready"]
    (found,) = document(seatrial("deployments", "tiny@1", "--json"))["deployments"]
    (replica,) = found["replicas"]
    shown = seatrial("deployments", "tiny@1").stdout
    facts = (
        replica["id"],
        str(replica["pid"]),
        replica["grpc_address"],
        replica["metrics_address"],
        "core_set",
        "wanted",
    )
    assert all(fact in shown for fact in facts)
    assert f"started_in_s     {replica['started_in_s']:g}" in shown


def test_logs_show_the_end_of_a_replicas_log(seatrial: Seatrial, served: int) -> None:
    (found,) = document(seatrial("deployments", "--json"))["deployments"]
    replica = found["replicas"][0]["id"]
    assert "Started GRPCInferenceService" in seatrial("logs", replica).stdout
    assert len(document(seatrial("logs", replica, "--lines", "3", "--json"))["lines"]) == 3


def test_a_followed_log_shows_new_lines_harmlessly_and_ends_with_its_replica(
    manager: ManagerAPI, served: int, environ: dict[str, str], home: Path
) -> None:
    option = {"name": "cpu-1x1", "cores": 1, "threads": 1}
    trial = manager.start_trial(
        served=manager.version(served)["served"], option=option, model_id=served, purpose="to be followed", lease_s=60
    )["id"]
    wait_until(lambda: manager.trial(trial)["state"] == "ready", Deadline.after(60), "the trial server is ready")
    command = [*PROGRAM, "logs", trial, "--lines", "1", "--follow"]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as follower:
        assert follower.stdout is not None
        assert follower.stdout.readline() != ""
        with (home / "servers" / trial / "server.log").open("a") as log:
            log.write("\x1b]0;owned\x07\x1b[2Ja model's \u202eown words\n")
        assert follower.stdout.readline() == "]0;owned[2Ja model's own words\n"
        manager.stop_trial(trial)
        out, err = follower.communicate(timeout=60)
        assert (out, err, follower.returncode) == (f"{trial} is gone\n", "", 0)


def test_models_and_show_tell_where_a_version_is_and_what_is_known_of_it(seatrial: Seatrial, served: int) -> None:
    assert document(seatrial("models", "--json"))["models"][0]["name"] == "tiny"
    assert "Production" in seatrial("show", "tiny").stdout
    shown = seatrial("show", "tiny@1").stdout
    assert all(word in shown for word in ("twice the input", "ann", "x: FP32[-1,4]", "CheckFormat"))
    assert document(seatrial("show", "tiny@1", "--json"))["version"]["model_id"] == served


def test_the_ledger_is_shown_oldest_first(seatrial: Seatrial, served: int) -> None:
    assert [move["to_stage"] for move in document(seatrial("ledger", "tiny", "--json"))["moves"]] == [
        "Staging",
        "Production",
    ]
    assert "to be called" in seatrial("ledger", "tiny").stdout


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["show", "nobody"], 3, "no model 'nobody'; known: tiny"),
        (["show", "tiny@7"], 3, "no version 7 of 'tiny'; known: 1"),
        (["show", "tiny@x"], 2, "names no version: that is MODEL@NUMBER"),
        (["ledger", "nobody"], 3, "no model 'nobody'"),
        (["status", "nobody"], 3, "no model 'nobody'"),
        (["deployments", "tiny@7"], 3, "no version 7 of 'tiny'"),
        (["deployments", "tiny"], 2, "names no version: that is MODEL@NUMBER"),
        (["logs", "nobody"], 3, "no Inference Server nobody"),
        (["logs", "nobody", "--lines", "0"], 2, "lines"),
        (["logs", "nobody", "--follow", "--json"], 2, "leave one of them out"),
        (["rollback", "tiny", "--why", "test"], 3, "nothing to roll back to"),
    ],
)
def test_errors_are_one_line_with_a_status_that_says_what_to_do(
    seatrial: Seatrial, served: int, arguments: list[str], status: int, said: str
) -> None:
    done = seatrial(*arguments)
    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("seatrial: ")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_reader_that_has_seen_enough_is_no_error(environ: dict[str, str], served: int) -> None:
    shell = f"{' '.join(PROGRAM)} ledger tiny | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", shell], env={**environ, "PATH": "/usr/bin:/bin"}, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_without_a_manager_it_says_so_and_that_trying_again_may_help(environ: dict[str, str], tmp_path: Path) -> None:
    nowhere = {**environ, "SEATRIAL_HOME": str(tmp_path), "SEATRIAL_MANAGER_URL": "http://127.0.0.1:9"}
    done = seatrial_in(tmp_path, nowhere)("models")
    assert done.returncode == 1
    assert done.stderr.startswith("seatrial: the Inference Manager at http://127.0.0.1:9 does not answer")
