"""Commands of who asks why: a version with its evidence, the stage ledger, Production at a moment."""

from __future__ import annotations

import argparse
from typing import Any

from seatrial import cli_audit_views as views
from seatrial.cli_common import Answer, api, command, version_name
from seatrial.cli_query_views import comparison_lines
from seatrial.cli_views import ledger_lines, model_lines


def add_to(commands: Any) -> None:
    new = command(
        commands,
        "show",
        show,
        "a model, or a version with its evidence",
        "seatrial show pitch@2",
        """A model's name lists its versions. A version (pitch@2, or its model id, also of a deleted one) is shown with
what it is, what was measured and judged, with numbers and limits, and how it came to its stage. --json prints its
dossier: one document, "schema": 1, whose fields keep their meaning.""",
    )
    new.add_argument("what", metavar="MODEL[@VERSION]")
    new = command(
        commands,
        "ledger",
        ledger,
        "every stage move of a model; with --at, what was in Production and Staging then, and why",
        "seatrial ledger pitch --at 2026-11-24T14:05",
        "--at takes a date and time; without a zone (Z, +01:00) it is of this machine's zone, and the answer names it.",
    )
    new.add_argument("model")
    new.add_argument(
        "--at", metavar="TIME", help="2026-11-24T14:05, with or without a zone, or milliseconds since 1970"
    )
    new.add_argument("--environment", default="local", help="with --at: which one (default: local)")
    new = command(
        commands,
        "compare",
        compare,
        "two versions side by side",
        "seatrial compare pitch@1 pitch@2",
        """Shown are the facts that differ: metrics, hyper-parameters, tags, signature, format, manifest, files,
the newest verdicts, and the newest measured capacity of each hardware option. Rates are requests per second,
memory is MB.""",
    )
    new.add_argument("left", metavar="MODEL@VERSION")
    new.add_argument("right", metavar="MODEL@VERSION")


def show(arguments: argparse.Namespace) -> Answer:
    with api() as manager:
        if arguments.what.isascii() and arguments.what.isdigit():
            return _dossier(manager.dossier(int(arguments.what)))
        if "@" not in arguments.what:
            model = manager.model(arguments.what)
            return model, model_lines(model)
        return _dossier(manager.dossier(manager.model_version(*version_name(arguments.what))["model_id"]))


def ledger(arguments: argparse.Namespace) -> Answer:
    from seatrial.registry.moments import parse_moment

    with api() as manager:
        if arguments.at is None:
            moves = manager.ledger(arguments.model)
            return {"moves": moves}, ledger_lines(moves)
        moment = parse_moment(arguments.at)
        found = manager.production_at(arguments.model, str(moment.at_ms), arguments.environment)
    found["at"] = moment.said  # in the zone of who asks
    return found, views.production_lines(found)


def compare(arguments: argparse.Namespace) -> Answer:
    with api() as manager:
        left, right = (manager.model_version(*version_name(name)) for name in (arguments.left, arguments.right))
        found = manager.comparison(left["model_id"], right["model_id"])
    return found, comparison_lines(found)


def _dossier(document: dict[str, Any]) -> Answer:
    return document, views.dossier_lines(document)
