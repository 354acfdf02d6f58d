"""Commands about a shadow verdict: why it is what it is, one of its requests again, and the captured requests."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial import cli_shadow_views as views
from seatrial.cli_common import Answer, api, as_run, command, version_name
from seatrial.errors import Conflict, NotFound, Refused

if TYPE_CHECKING:
    from seatrial.client.registry_api import RegistryAPI
    from seatrial.shadow.relation import Built
    from seatrial.shadow.report import ShadowReport
    from seatrial.tensors import Signature

REPLAY_S = 120.0


def add_to(commands: Any) -> None:
    new = command(
        commands,
        "shadow",
        shadow,
        "the verdict on a version beside the one in Production, and what it rests on",
        "seatrial shadow pitch@2",
        """The newest report of a run: each question with its figure and its limit, the outputs, and the first requests
that were answered otherwise. `seatrial replay` sends one of them again.

--dry-run compares nothing: it says which limits would apply, and why, to a version or to the folder of an upload that
was not sent yet.""",
    )
    new.add_argument("what", metavar="MODEL@VERSION|FOLDER", help="or a file with a report as JSON")
    new.add_argument("--dry-run", action="store_true", help="only the limits, and why it is these")
    new.add_argument("--page", type=Path, metavar="FILE.html", help="the report as a page with pictures; replaces FILE")
    command(
        commands,
        "report-schema",
        report_schema,
        "the JSON Schema of a shadow report, for other programs",
        "seatrial report-schema > shadow-report.schema.json",
    )
    new = command(
        commands,
        "replay",
        replay,
        "one request of a shadow report, sent to both versions again",
        "seatrial replay pitch@2 --request 17 --save 17.npz",
        """REPORT is the version that the report is about, or a file with what `seatrial shadow --json` printed. The
number is that of a sending, as the report names them. A version that no stage has any more is served meanwhile.""",
    )
    new.add_argument("report", metavar="REPORT", help="MODEL@VERSION, or a file")
    new.add_argument("--request", type=int, required=True, metavar="N", help="number of the request, from 1")
    new.add_argument(
        "--save", type=Path, metavar="FILE.npz", help="inputs, and answers as expected.LAYER and got.LAYER"
    )
    new = command(
        commands,
        "captures",
        captures,
        "live requests that were captured for replay",
        "seatrial captures pitch --save requests/ --limit 20",
        """A fair sample of the last day, the newest first. They can hold personal data: reading them takes an
operator's token, and they are gone a day later, or with --remove.""",
    )
    new.add_argument("model")
    new.add_argument("--limit", type=int, default=20, metavar="N", help="so many at most (default: 20)")
    new.add_argument("--save", type=Path, metavar="FOLDER", help="each as ID.npz there, an array for each layer")
    new.add_argument("--remove", action="store_true", help="remove all of them, and those kept for a report")


def shadow(arguments: argparse.Namespace) -> Answer:
    if arguments.dry_run:
        return _dry_run(arguments.what)
    with api() as manager:
        report = _given(manager, arguments.what)
    if arguments.page is not None:
        from seatrial.shadow.page import page

        _write(arguments.page, page(report).encode())
    return report.model_dump(mode="json"), views.report_lines(arguments.what, report)


def report_schema(_: argparse.Namespace) -> Answer:
    import json

    from seatrial.shadow.report import ShadowReport

    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **ShadowReport.model_json_schema()}
    return schema, [json.dumps(schema, indent=2)]


def replay(arguments: argparse.Namespace) -> Answer:
    from seatrial.steps.replay_request import replay_request
    from seatrial.tensors import to_npz

    if arguments.save is not None and arguments.save.exists():
        raise Conflict(f"{arguments.save} is there already: nothing is overwritten", file=str(arguments.save))
    with api() as manager:
        report = _given(manager, arguments.report)
        version = manager.model_version(report.model, report.staging)
        found = replay_request(as_run(manager, REPLAY_S), version, report, arguments.request)
    if arguments.save is not None:
        answers = {"expected": found.expected, "got": found.got}
        named = {f"{side}.{layer}": array for side, answer in answers.items() for layer, array in answer.items()}
        _write(arguments.save, to_npz({**found.inputs, **named}))
    document = {"request": found.request, "against": found.against, "layers": [asdict(one) for one in found.found]}
    return document, views.replay_lines(f"{report.model}@{report.staging}", found)


def captures(arguments: argparse.Namespace) -> Answer:
    with api() as manager:
        if arguments.remove:
            removed = manager.remove_captures(arguments.model)
            return removed, [f"{removed['removed']} captured requests of {arguments.model} are removed"]
        found = manager.captures(arguments.model, arguments.limit)
        if arguments.save is not None:
            for capture in found:
                _write(arguments.save / f"{capture['id']}.npz", manager.capture(arguments.model, capture["id"]))
    return {"captures": found}, views.capture_lines(arguments.model, found)


def _dry_run(what: str) -> Answer:
    from seatrial.shadow.relation import limits_between
    from seatrial.steps.limits import built

    with api() as manager:
        name, comparison, signature, staging = _folder(Path(what)) if Path(what).is_dir() else _version(manager, what)
        number = _in_production(manager, name)
        production = None if number is None else built(manager, manager.model_version(name, number))
    limits, why = limits_between(comparison, signature, staging, production)
    document = {"production": number, "class_reason": why, "limits": limits.model_dump(mode="json")}
    return document, views.limit_lines(limits, why, [spec.name for spec in signature.outputs], number)


def _folder(folder: Path) -> tuple[str, dict[str, Any], Signature, Built]:
    """Name, comparison, signature and making of an upload that was not sent yet."""
    from seatrial.formats.check import check_upload
    from seatrial.shadow.relation import built_of

    found = check_upload(folder, None)
    comparison = found.manifest.comparison.model_dump(mode="json")
    staging = built_of(found.served, found.tree_digest, found.weights)
    return found.manifest.name, comparison, found.served.signature, staging


def _version(manager: RegistryAPI, text: str) -> tuple[str, dict[str, Any], Signature, Built]:
    from seatrial.served_model import ServedModel
    from seatrial.steps.limits import built

    version = manager.model_version(*version_name(text))
    served = ServedModel.model_validate(version["served"])
    return version["model"], version["manifest"]["comparison"], served.signature, built(manager, version)


def _in_production(manager: RegistryAPI, name: str) -> int | None:
    try:
        number: int | None = manager.model(name)["stages"]["local"]["production"]
    except NotFound:
        return None
    return number


def _kept(manager: RegistryAPI, text: str) -> ShadowReport:
    """The newest report about a version. Raises NotFound when there is none."""
    from seatrial.shadow.report import ShadowReport

    model, number = version_name(text)
    kept = next(iter(manager.evidence(manager.model_version(model, number)["model_id"], "ShadowValidate")), None)
    if kept is None:
        raise NotFound(f"{text} was not compared yet")
    return ShadowReport.model_validate({**kept["document"], "model": model, "staging": number})


def _given(manager: RegistryAPI, text: str) -> ShadowReport:
    """A report by its version, or from a file. Raises Refused for a file that is none."""
    from pydantic import ValidationError

    from seatrial.shadow.report import ShadowReport

    if not Path(text).is_file():
        return _kept(manager, text)
    try:
        return ShadowReport.model_validate_json(Path(text).read_bytes())
    except ValidationError as error:
        field = ".".join(map(str, error.errors()[0]["loc"]))
        raise Refused(f"{text}: {field}: is no shadow report", field=field, file=text) from error


def _write(file: Path, data: bytes) -> None:
    from seatrial.storage.local import atomic_write

    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(file, data)
    except OSError as error:
        raise Refused(f"{file}: {error.strerror or error}", field="save", value=str(file)) from error
