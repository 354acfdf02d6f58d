"""`seatrial`: the command line. It asks the Inference Manager and shows what it says; imports wait until needed."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from seatrial import (
    cli_archive,
    cli_audit,
    cli_capacity,
    cli_deployments,
    cli_infer,
    cli_pack,
    cli_profile,
    cli_queries,
    cli_shadow,
    cli_tokens,
    cli_upkeep,
    cli_uploads,
)
from seatrial import cli_views as views
from seatrial.cli_common import Answer, as_run, pair, without
from seatrial.cli_common import api as _api
from seatrial.cli_common import command as _command
from seatrial.cli_common import settings as _settings
from seatrial.errors import Conflict, NotFound, Refused, SeatrialError

ROLLBACK_S = 300.0
EXIT_CODES = """exit status: 0 done · 1 not now (manager or server away, or a failure) · 2 refused (wrong input)
             3 not found · 4 conflict (the state moved on)"""


def main(argv: Sequence[str] | None = None) -> None:
    arguments = _parser().parse_args(argv)
    try:
        document, lines = arguments.command(arguments)
        print(json.dumps(document) if arguments.json else "\n".join(lines), flush=True)
    except SeatrialError as error:
        print(f"seatrial: {error}", file=sys.stderr)
        sys.exit(_status(error))
    except ModuleNotFoundError as error:
        sys.exit(f"seatrial: {without(error)}")
    except KeyboardInterrupt:
        os._exit(130)  # a thread that still sends would hold the exit, and a second Ctrl-C end that in a traceback
    except BrokenPipeError:  # the reader, e.g. head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains when it flushes at exit


def status(arguments: argparse.Namespace) -> Answer:
    with _api() as api:
        health, models, deployments = api.health(), api.models(), api.deployments()
        if arguments.model:
            api.model(arguments.model)  # a name that is not there is an error, not an empty list
    if arguments.model:
        models = [model for model in models if model["name"] == arguments.model]
        deployments = [d for d in deployments if d["spec"]["served"]["name"] == arguments.model]
    document = {"manager": health, "models": models, "deployments": deployments}
    return document, views.status_lines(document)


def rollback(arguments: argparse.Namespace) -> Answer:
    from seatrial.steps.rollback import roll_back

    with _api() as api:
        run = as_run(api, ROLLBACK_S)  # each call is a run: it goes one back
        done = roll_back(run, arguments.model, arguments.why)
    return done, [f"{done['model']}@{done['version']} is Production, in place of @{done['replaced']}"]


def import_mlflow(arguments: argparse.Namespace) -> Answer:
    from seatrial.mlflow_import import folders
    from seatrial.mlflow_import import views as shown
    from seatrial.mlflow_import.plan import plan
    from seatrial.mlflow_import.source import MlflowSource
    from seatrial.uploads.roots import local_folder

    names, aliases = (dict(map(pair, given)) for given in (arguments.name, arguments.alias))
    if arguments.to:
        to = Path(arguments.to).absolute()
    else:
        uploads = local_folder(_settings().uploads, "seatrial import-mlflow without --to")
        to = uploads / "_mlflow"  # not watched: later versions wait there
    with MlflowSource(arguments.source, arguments.python) as source:
        wanted = plan(source.versions(), names=names, aliases=aliases, latency_ms=arguments.latency_ms)
        if arguments.dry_run:
            outcomes = folders.planned(wanted, to)
        else:
            outcomes = folders.write(source, wanted, to, lambda text: print(text, file=sys.stderr))
    if not arguments.to and not arguments.dry_run:
        outcomes = folders.send_first(outcomes, uploads, _settings().largest_upload)
    told = (arguments.source, source.mlflow, outcomes)
    return shown.document(*told), shown.lines(*told)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="seatrial",
        description="From an uploaded model to production serving: see what became of it, call it, take it back.",
        epilog=f"settings: SEATRIAL_HOME (default .seatrial), SEATRIAL_MANAGER_URL, SEATRIAL_TOKEN\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    cli_pack.add_to(commands)
    cli_uploads.add_to(commands)
    new = _command(commands, "status", status, "manager, models and servers at a glance", "seatrial status pitch")
    new.add_argument("model", nargs="?", help="only this model")
    cli_deployments.add_to(commands)
    cli_queries.add_to(commands)
    cli_audit.add_to(commands)
    cli_shadow.add_to(commands)
    cli_capacity.add_to(commands)
    cli_profile.add_to(commands)
    cli_archive.add_to(commands)
    cli_upkeep.add_to(commands)
    cli_infer.add_to(commands)
    new = _command(
        commands,
        "rollback",
        rollback,
        "the former Production version again",
        "seatrial rollback pitch --why 'too slow'",
    )
    new.add_argument("model")
    new.add_argument("--why", required=True, help="one sentence for the stage ledger")
    cli_tokens.declare(commands)
    new = _command(
        commands,
        "import-mlflow",
        import_mlflow,
        "MLflow's registered models as upload folders",
        "seatrial import-mlflow sqlite:///mlflow.db --python mlflow-env/bin/python --dry-run",
    )
    new.add_argument("source", help="a tracking directory, sqlite:///file, or the http address of an MLflow server")
    new.add_argument("--to", metavar="DIR", help="write them here, send none (default: below the uploads; first sent)")
    new.add_argument("--dry-run", action="store_true", help="say what would be done")
    new.add_argument("--latency-ms", type=float, metavar="MS", help="the objective of every version: p99 within it")
    new.add_argument(
        "--alias", action="append", default=[], metavar="ALIAS=STAGE", help="also: this alias is that stage"
    )
    new.add_argument("--name", action="append", default=[], metavar="THEIRS=OURS", help="the name of one model here")
    new.add_argument("--python", metavar="FILE", help="the Python of an environment with MLflow (default: this one)")
    return parser


def _status(error: SeatrialError) -> int:
    for kind, status_code in ((Refused, 2), (NotFound, 3), (Conflict, 4)):
        if isinstance(error, kind):
            return status_code
    return 1


if __name__ == "__main__":
    main()
