"""What every file of commands needs: the settings, the manager's API, and how a command is declared."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from seatrial.errors import Refused
from seatrial.user_name import user_name

if TYPE_CHECKING:
    from seatrial.client.registry_api import RegistryAPI
    from seatrial.settings import Settings
    from seatrial.steps.run import Run

Answer = tuple[Any, Sequence[str]]
"""What a command found: the JSON document, and the lines for a person."""

Command = Callable[[argparse.Namespace], Answer]


def settings() -> Settings:
    from seatrial.settings import Settings

    return Settings.read()


def api() -> RegistryAPI:
    from seatrial.client.registry_api import RegistryAPI

    read = settings()
    return RegistryAPI(read.manager_url, token=read.token)


def run_id() -> str:
    """Each call of a command is a run of its own."""
    return f"cli__{datetime.now(timezone.utc).isoformat(timespec='milliseconds')}"


def as_run(manager: RegistryAPI, seconds: float) -> Run:
    """A step's run in the name of whoever calls the command; its progress goes to standard error."""
    from seatrial.steps.run import Run
    from seatrial.waiting import Deadline

    def progress(text: str) -> None:
        sys.stderr.write(f"{text}\n")

    return Run(manager, run_id(), user_name(), Deadline.after(seconds), progress)


def command(
    commands: Any, name: str, does: Command, summary: str, example: str, more: str = ""
) -> argparse.ArgumentParser:
    """`more` is what a stranger must know to use it: shown by --help, laid out as it is."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=f"{summary}\n\n{more}".strip(),
        epilog=f"example: {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="one JSON document instead of lines")
    parser.set_defaults(command=does)
    return parser


def without(error: ModuleNotFoundError) -> str:
    """What to say where `pip install seatrial` alone is not enough. Another module's absence is raised on."""
    name = (error.name or "").partition(".")[0]
    if name in ("", "seatrial"):
        raise error
    return f"this needs {name}, which is not installed: pip install 'seatrial[library]', or [manager], on Python 3.11"


def pair(text: str) -> tuple[str, str]:
    """`NAME=VALUE` taken apart. Raises Refused for anything else."""
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise Refused(f"{text!r} is not NAME=VALUE", field="option", value=text)
    return name, value


def version_name(text: str) -> tuple[str, int]:
    """`pitch@2` taken apart. Raises Refused for anything else."""
    name, _, number = text.partition("@")
    if not name or not (number.isascii() and number.isdigit()):
        raise Refused(f"{text!r} names no version: that is MODEL@NUMBER, as in pitch@2", field="version", value=number)
    return name, int(number)
