"""A dossier, and Production at a moment, in words that a stranger understands (pure): documents in, lines out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from seatrial.cli_query_views import stages
from seatrial.cli_views import time_of
from seatrial.formats.line import report_line

Document = Mapping[str, Any]

PLAIN_STEP = {
    "CheckFormat": "format check",
    "DeployToStaging": "deployed to Staging",
    "ShadowValidate": "comparison with Production",
    "SurveyHardware": "load survey",
    "ProfileHardware": "load measurement",
    "ChooseHardware": "choice of hardware",
    "MachineNotQuiet": "load measurement given up",
    "Drift": "drift since the policy",
    "Promote": "promotion",
    "PushAutoscaling": "scaling policy pushed",
    "Watch": "watch after promotion",
}


def dossier_lines(dossier: Document) -> list[str]:
    """What it is, where it came from, what was found out about it, and where it was moved."""
    version = dossier["version"]
    name = f"{version['model']}@{version['version']}"
    signature = version["served"]["signature"]
    lines = [
        f"{name}  model id {version['model_id']}  {version['served']['format']}  {stages(version['stages'])}",
        f"  {version['description']}" if version["description"] else "",
        _deleted(version["deleted"]),
        f"  by {version['user'] or 'unknown'}, registered {time_of(version['created_ms'])}, from {version['source']}",
        f"  run {version['run']}" if version["run"] else "",
        f"  files sha256:{version['tree_digest']}"
        + ("" if dossier["files_kept"] else "  (not in the artifact store any more)"),
        *(f"    {path}  {digest[:12]}…" for path, digest in dossier["files"].items()),
        *(f"  input  {_layer(layer)}" for layer in signature["inputs"]),
        *(f"  output {_layer(layer)}" for layer in signature["outputs"]),
        *_values("reported metrics", version["metrics"]),
        *_values("hyper-parameters", version["hyper_parameters"]),
        *_values("tags", version["tags"]),
        "What was found out about it:" if dossier["evidence"] else "Nothing was found out about it yet.",
        *evidence_lines(dossier["evidence"]),
        "How it was moved:" if dossier["ledger"] else "It was never moved to a stage.",
        *(f"  {_move(move, version['version'])}" for move in dossier["ledger"]),
    ]
    return [line for line in lines if line]


def production_lines(found: Document) -> list[str]:
    """Who held Production and Staging, since and until when, by whose doing, and what was known then."""
    ahead = "  (yet to come: this is what the ledger says so far)" if found["ahead"] else ""
    return [
        f"{found['model']} in {found['environment']} at {found['at']}{ahead}",
        *_tenure("Production", found["model"], found["production"]),
        *_tenure("Staging", found["model"], found["staging"]),
    ]


def evidence_lines(evidence: Sequence[Document]) -> Iterator[str]:
    for found in sorted(evidence, key=lambda one: (one["at_ms"], one["id"])):
        step = PLAIN_STEP.get(found["kind"])
        named = f"{step} ({found['kind']})" if step else found["kind"]
        try:
            yield f"  {time_of(found['at_ms'])}  {named}: {said(found)}"
            yield from _parts(found["document"])
        except (KeyError, TypeError, ValueError):  # anyone with a token may keep evidence of any shape
            yield f"  {time_of(found['at_ms'])}  {named}: {found['key']}"


def said(evidence: Document) -> str:
    """One line of what a document of evidence says."""
    document, kind = evidence["document"], evidence["kind"]
    if kind in ("ShadowValidate", "Watch", "Drift"):
        return f"{document['verdict']}: {document['sentence']}"
    if kind == "SurveyHardware":
        capacity = document["capacity"]
        return (
            f"{document['option']['name']} saturates at {capacity['mu']:g} requests/s; within the objective it is"
            f" expected to carry {capacity['lambda_max']:g}"
        )
    if kind == "ProfileHardware":
        capacity, objective = document["capacity"], document["objective"]
        return (
            f"{document['option']['name']} carries {capacity['lambda_max']:g} requests/s,"
            f" saturation {capacity['mu']:g}; p99 {capacity['p99_ms']:g} ms at {capacity['verified_at']:g} requests/s;"
            f" limit: p{objective['percentile']:g} {objective['latency_ms']:g} ms"
        )
    if kind == "Payload":
        live, samples = len(document["captures"]), len(document["samples"])
        return f"servers were sent {live} captured requests" if live else f"servers were sent {samples} sample(s)"
    if kind == "MachineNotQuiet":
        return f"{document['option']['name']} has no figure: {document['reason']}"
    if kind == "ChooseHardware":
        return str(document.get("answer", {}).get("paragraph") or document["choice"]["sentence"])
    if kind == "PushAutoscaling":
        return str(document["explanation"])
    if kind == "DeployToStaging":
        return f"answered {document['started_in_s']:g} s after its start"
    if kind == "CheckFormat":
        return report_line(document)
    if kind == "Promote" and "warmth" in document:
        return f"warm before any client came: {document['sentence']}"
    if kind == "Promote":
        return f"ledger entry {document['move']['seq']}, {document['replicas']} replica(s)"
    return str(evidence["key"])


def _layer(layer: Document) -> str:
    return f"{layer['name']}: {layer['dtype']}[{','.join(map(str, layer['shape']))}]"


def _parts(document: Document) -> Iterator[str]:
    yield from (f"      {note}" for note in document.get("capacity", {}).get("notes", ()))
    for part in document.get("parts", ()):
        yield (
            f"      {part['name']}: {part['verdict']}, {part['value']:g} against a limit of {part['limit']:g}"
            f" over {part['samples']} samples: {part['sentence']}"
        )


def _tenure(stage: str, model: str, tenure: Document | None) -> Iterator[str]:
    if tenure is None:
        yield f"{stage}: nothing"
        return
    began, ended = tenure["began"], tenure["ended"]
    yield f"{stage}: {model}@{tenure['version']} (model id {tenure['model_id']})"
    yield f"  put there by {_move(began, tenure['version'])}"
    yield f"  until {_move(ended, tenure['version'])}" if ended else "  it is there to this day"
    yield "  what was known of it at that move:" if tenure["evidence"] else "  no evidence was kept before that move"
    yield from (f"  {line}" for line in evidence_lines(tenure["evidence"]))


def _move(move: Document, version: int) -> str:
    """One ledger entry as a sentence about one of the two versions that it may have moved."""
    if version == move["displaced"]:
        what = f"{move['to_stage']} → Archived, displaced by @{move['version']}"
    else:
        displaced = "" if move["displaced"] is None else f", displacing @{move['displaced']}"
        what = f"{move['from_stage']} → {move['to_stage']}{displaced}"
    where = "" if move["environment"] == "local" else f" in {move['environment']}"
    run = f", run {move['run']}" if move["run"] else ""
    why = f": {move['why']}" if move["why"] else ""
    return (
        f"ledger entry {move['seq']}, {time_of(move['at_ms'])}, {what}{where}, by {move['who'] or 'unknown'}{run}{why}"
    )


def _deleted(deletion: Document | None) -> str:
    if deletion is None:
        return ""
    return (
        f"  DELETED by {deletion['who'] or 'unknown'} on {time_of(deletion['at_ms'])}: {deletion['why'] or 'no reason'}"
    )


def _values(title: str, values: Mapping[str, Any]) -> list[str]:
    return [f"  {title}: {', '.join(f'{name} = {value}' for name, value in values.items())}"] if values else []
