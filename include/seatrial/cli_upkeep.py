"""Commands that look after the registry: delete a version, collect garbage."""

from __future__ import annotations

import argparse
from typing import Any

from seatrial.cli_common import Answer, api, command, version_name
from seatrial.cli_views import table
from seatrial.user_name import user_name


def add_to(commands: Any) -> None:
    new = command(
        commands,
        "delete",
        delete,
        "end a version for good",
        "seatrial delete pitch@3 --why 'trained on the wrong data'",
        """The version disappears from lists and look-ups, its number is never given out again, and seatrial gc frees
its files. The ledger keeps who deleted it and why, and its dossier stays: seatrial show MODEL_ID. The same files
uploaded again make a new version. Refused while it is deployed; a version that is or was in Production is only
deleted with --force and --why.""",
    )
    new.add_argument("version", metavar="MODEL@VERSION")
    new.add_argument("--why", default="", metavar="TEXT", help="one sentence for the ledger; required with --force")
    new.add_argument("--force", action="store_true", help="even though it is or was in Production")
    new = command(
        commands,
        "gc",
        gc,
        "remove files that nothing needs from the artifact store",
        "seatrial gc --dry-run",
        """Removed are files that no version, evidence, running server or deployment needs (those of deleted versions,
of uploads that were never registered), temporary files of writers that stopped, and files that a reader found damaged
and moved away. What was put within the last hour stays. It may run at any time, beside registrations too; doing it
twice does no harm.""",
    )
    new.add_argument("--dry-run", action="store_true", help="remove nothing: list digest, bytes and reason")


def delete(arguments: argparse.Namespace) -> Answer:
    model, number = version_name(arguments.version)
    with api() as manager:
        move = manager.delete(model, number, who=user_name(), why=arguments.why, force=arguments.force)
    return move, [f"{model}@{number} is deleted (ledger entry {move['seq']}); seatrial gc frees its files"]


def gc(arguments: argparse.Namespace) -> Answer:
    with api() as manager:
        found = manager.collect_garbage(dry_run=arguments.dry_run)
    did = "would be removed" if found["dry_run"] else "removed"
    rows = [(one["name"], f"{one['bytes']} bytes", one["reason"]) for one in found["removed"]]
    return found, [*(table(rows) if rows else []), f"{len(rows)} files, {found['bytes']} bytes {did}"]
