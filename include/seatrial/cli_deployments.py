"""Commands that look at what runs: deployments, each replica of one, and a replica's log."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from seatrial import cli_deployment_views as views
from seatrial.cli_common import Answer, api, command, version_name
from seatrial.client.registry_api import RegistryAPI
from seatrial.errors import NotDeployed, NotFound, Refused

FOLLOW_LINES = 2000  # asked for each second: a log that grows faster is shown with gaps
DAY_S = 24 * 3600.0


def add_to(commands: Any) -> None:
    new = command(
        commands,
        "deployments",
        deployments,
        "what is wanted and what runs for it; with a version, each replica of it",
        "seatrial deployments pitch@2",
    )
    new.add_argument("version", nargs="?", metavar="MODEL@VERSION", help="this one in detail")
    new = command(
        commands,
        "logs",
        logs,
        "the last lines of a replica's log",
        "seatrial logs pitch-2-3f9a1b2c --follow",
        "seatrial deployments MODEL@VERSION says the ids. What a model wrote is shown without control characters.",
    )
    new.add_argument("replica", metavar="REPLICA")
    new.add_argument("--lines", type=int, default=100, help="how many (default: 100)")
    new.add_argument("--follow", action="store_true", help="and new ones as they come, until the replica is gone")


def deployments(arguments: argparse.Namespace) -> Answer:
    with api() as manager:
        found = manager.deployments()
        if not arguments.version:
            return {"deployments": found}, views.deployments_lines(found)
        model, number = version_name(arguments.version)
        manager.model_version(model, number)  # a version that is not there is another error than one that does not run
    here = [
        one for one in found if (one["spec"]["served"]["name"], one["spec"]["served"]["version"]) == (model, number)
    ]
    if not here:
        raise NotDeployed(f"{model}@{number} is not deployed")
    return {"deployments": here}, [line for one in here for line in views.deployment_lines(one)]


def logs(arguments: argparse.Namespace) -> Answer:
    if arguments.follow and arguments.json:
        raise Refused("--follow shows lines, and --json is one document: leave one of them out", field="follow")
    with api() as manager:
        if arguments.follow:
            return None, [_follow(manager, arguments.replica, arguments.lines)]
        found = manager.replica_log(arguments.replica, arguments.lines)
    return found, views.plain_lines(found["lines"])


def _follow(manager: RegistryAPI, replica: str, lines: int) -> str:
    """Show the last lines, then what is new, until the replica is gone; what is to be said then."""
    from seatrial.waiting import Deadline, wait_until

    window = max(lines, FOLLOW_LINES)
    seen: Sequence[str] = manager.replica_log(replica, window)["lines"]
    _show(seen[len(seen) - lines :] if lines < len(seen) else seen)
    while True:
        before = seen

        def changed(before: Sequence[str] = before) -> Sequence[str] | None:
            now: Sequence[str] = manager.replica_log(replica, window)["lines"]
            return now if now != before else None

        try:
            seen = wait_until(changed, Deadline.after(DAY_S), "a new line", first_s=0.5, longest_s=1.0)
        except NotFound:
            return f"{replica} is gone"
        _show(views.new_lines(before, seen))


def _show(lines: Sequence[str]) -> None:
    for line in views.plain_lines(lines):
        print(line, flush=True)
