"""Commands that ask the registry: lists of models and versions."""

from __future__ import annotations

import argparse
from typing import Any

from seatrial import cli_query_views as views
from seatrial.cli_common import Answer, api, command

FILTER_HELP = """A filter is one or more clauses joined by "and"; a version must meet all of them:
  model name description text user format run stage environment    = != ~   (~ contains; text: name or description)
  version created metric.NAME                                      = != > >= < <=
  tag.KEY                                                          = != ~
  param.NAME (hyper-parameters)                                    = != ~ > >= < <=
Values with spaces stand in quotes. What a version does not have meets no clause but "!=". stage and environment
together mean: in that stage in that environment. created takes 2026-11-24 or 2026-11-24T14:05Z."""


def add_to(commands: Any) -> None:
    new = command(
        commands,
        "models",
        models,
        "the registered models; with --filter, those of which a version meets it",
        "seatrial models --filter \"stage=Production and tag.team='audio lab'\"",
        FILTER_HELP,
    )
    _listing(new, "name", "name or created")
    new = command(
        commands,
        "versions",
        versions,
        "versions of all models, newest first",
        "seatrial versions --filter 'model=pitch and metric.f1>0.9' --order=-metric.f1",
        FILTER_HELP,
    )
    _listing(new, "-created", "a field of the filter, e.g. metric.f1")


def models(arguments: argparse.Namespace) -> Answer:
    with api() as manager:
        found = manager.list_models(**_query(arguments))
    return found, views.models_lines(found)


def versions(arguments: argparse.Namespace) -> Answer:
    with api() as manager:
        found = manager.list_versions(**_query(arguments))
    return found, views.versions_lines(found)


def _listing(parser: argparse.ArgumentParser, order: str, fields: str) -> None:
    parser.add_argument("--filter", default="", metavar="TEXT", help="which ones (see above)")
    parser.add_argument(
        "--order", default=order, metavar="FIELD", help=f"{fields}; --order=-FIELD turns it round (default: {order})"
    )
    parser.add_argument("--limit", type=int, default=50, help="how many at most, up to 500 (default: 50)")
    parser.add_argument("--cursor", help="go on where the page before ended; versions added meanwhile change nothing")


def _query(arguments: argparse.Namespace) -> dict[str, Any]:
    return {name: getattr(arguments, name) for name in ("filter", "order", "limit", "cursor")}
