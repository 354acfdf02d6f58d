"""What deployments and logs look like to a person (pure): documents in, lines out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from seatrial.cli_views import table, time_of

Document = Mapping[str, Any]
ERROR_SHOWN = 80  # characters in the table; the detail has all of it
GAP = "… (lines in between were not seen)"
OWN_LINE = ("id", "state", "error", "log_tail")  # of a replica: told elsewhere than in the list of its facts


def deployments_lines(deployments: Sequence[Document]) -> list[str]:
    if not deployments:
        return ["nothing is deployed"]
    rows = [("version", "stage", "environment", "option", "replicas", "state", "error")]
    for deployment in deployments:
        rows.append(
            (
                name(deployment),
                deployment["stage"] or "?",
                deployment["spec"]["environment"],
                deployment["spec"]["option"]["name"],
                f"{ready(deployment)}/{deployment['spec']['replicas']}",
                deployment["state"],
                cut(plain(deployment["error"] or "")),
            )
        )
    return table(rows)


def deployment_lines(deployment: Document) -> list[str]:
    """All that is known of one, each replica with what was observed of it."""
    spec = deployment["spec"]
    lines = [
        f"{name(deployment)} (model id {spec['model_id']}) in {spec['environment']}: {deployment['state']}",
        f"  stage     {deployment['stage'] or '?'}",
        f"  replicas  {ready(deployment)} of {spec['replicas']} ready",
        f"  option    {facts(spec['option'])}",
        f"  wanted    {time_of(deployment['wanted_at_ms'])}",
    ]
    if deployment["error"]:
        lines.append(f"  error     {plain(deployment['error'])}")
    for replica in deployment["replicas"]:
        lines += replica_lines(replica)
    return lines


def replica_lines(replica: Document) -> list[str]:
    lines = [f"  replica {replica['id']}: {replica['state']}"]
    told = {
        fact: shown(value) for fact, value in replica.items() if fact not in OWN_LINE and value not in (None, [], {})
    }
    width = max(map(len, told), default=0)
    lines += [f"    {fact.ljust(width)}  {value}" for fact, value in told.items()]
    if replica["error"]:
        lines.append(f"    error: {plain(replica['error'])}")
    lines += [f"    | {line}" for line in plain_lines(replica["log_tail"])]
    return lines


def new_lines(before: Sequence[str], now: Sequence[str]) -> list[str]:
    """What `now`, the end of a log, has after `before`, the end of it some time ago; GAP first when they do not meet.

    >>> new_lines(["a", "b", "c"], ["b", "c", "d"])
    ['d']
    """
    for shift in range(len(before) + 1):
        overlap = before[shift:]
        if list(now[: len(overlap)]) == list(overlap):
            new = list(now[len(overlap) :])
            return new if overlap or not before else [GAP, *new]
    raise AssertionError("an empty overlap always fits")


def plain_lines(lines: Sequence[str]) -> list[str]:
    return [plain(line) for line in lines]


def plain(text: str) -> str:
    """Without what a terminal would obey: escape sequences lose their escape, and text its direction marks."""
    return "".join(c if c.isprintable() else " " if c.isspace() else "" for c in text)


def cut(text: str) -> str:
    return text if len(text) <= ERROR_SHOWN else f"{text[: ERROR_SHOWN - 1]}…"


def name(deployment: Document) -> str:
    served = deployment["spec"]["served"]
    return f"{served['name']}@{served['version']}"


def ready(deployment: Document) -> int:
    return sum(replica["state"] == "ready" for replica in deployment["replicas"])


def facts(of: Document) -> str:
    return ", ".join(f"{fact} {shown(value)}" for fact, value in of.items() if value not in (None, [], {}))


def shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return facts(value)
    if isinstance(value, list | tuple):
        return " ".join(map(shown, value))
    return plain(f"{value:g}" if isinstance(value, float) else str(value))
