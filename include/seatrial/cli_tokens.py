"""`seatrial tokens`: who may call the manager. Works on its home folder; a running manager sees it at once."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, Any

from seatrial.cli_common import Answer, command, settings

if TYPE_CHECKING:
    from seatrial.manager.tokens import TokenFile

ROLES = """roles, each with all of the one before:
  client      find servers, send captures: what a service needs
  researcher  read models, versions, evidence
  operator    deploy, promote, roll back, scale; read captured requests"""


def declare(commands: Any) -> None:
    tokens = commands.add_parser(
        "tokens",
        help="who may call the manager",
        description=f"create, list and revoke the manager's bearer tokens\n\n{ROLES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parts = tokens.add_subparsers(required=True, metavar="COMMAND")
    new = command(
        parts, "create", create, "make a token, shown once", "seatrial tokens create player --role client", ROLES
    )
    new.add_argument("name", help="whom it is for: lower-case letters, digits, . _ -")
    new.add_argument("--role", default="client", help="client, researcher or operator (default: client)")
    command(parts, "list", show, "all tokens, revoked ones too", "seatrial tokens list")
    new = command(parts, "revoke", revoke, "a token opens nothing any more", "seatrial tokens revoke player")
    new.add_argument("name")


def create(arguments: argparse.Namespace) -> Answer:
    made, secret = _file().create(arguments.name, arguments.role)
    document = {"name": made.name, "role": made.role, "token": secret}
    return document, [
        secret,
        f"# {made.role} token {made.name!r}; it is shown this once: SEATRIAL_TOKEN=… for its user",
    ]


def show(_: argparse.Namespace) -> Answer:
    found = [token.model_dump(exclude={"sha256"}) for token in _file().read()]
    rows = [
        f"{token['name']:<24} {token['role']:<11} …{token['hint']}  made {_day(token['created_ms'])}"
        + (f"  revoked {_day(token['revoked_ms'])}" if token["revoked_ms"] else "")
        for token in found
    ]
    return {"tokens": found}, rows or ["no tokens but the home's own: seatrial tokens create NAME --role ROLE"]


def revoke(arguments: argparse.Namespace) -> Answer:
    token = _file().revoke(arguments.name)
    return token.model_dump(exclude={"sha256"}), [f"{token.name} …{token.hint} opens nothing any more"]


def _file() -> TokenFile:
    from seatrial.manager.tokens import TokenFile

    return TokenFile(settings().home)


def _day(at_ms: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at_ms / 1000))
