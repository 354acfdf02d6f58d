"""Commands of a researcher: send an upload, and what its manifest may say."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial.cli_common import Answer, command, settings
from seatrial.errors import Refused, TryAgain

if TYPE_CHECKING:
    from seatrial.uploads.roots import UploadRoot

MORE = """It appears among the uploads whole, in one step. Where a call is cut off, the same command goes on from there:
files that arrived are not sent again. The same files under the same name are there already: nothing is done."""


def add_to(commands: Any) -> None:
    new = command(commands, "upload", upload, "send a folder to be deployed", "seatrial upload my-model/", MORE)
    new.add_argument("folder", help="the folder with model.yaml (or MLflow's MLmodel), the model files and the samples")
    new.add_argument("--to", metavar="NAME", help="its name among the uploads (default: model name and digest)")
    new.add_argument("--root", metavar="URL", help="file:///… or hdfs://… (default: the first of SEATRIAL_UPLOADS)")
    command(
        commands,
        "manifest-schema",
        manifest_schema,
        "the JSON Schema of model.yaml, for editors and other programs",
        "seatrial manifest-schema > model.schema.json",
    )


def upload(arguments: argparse.Namespace) -> Answer:
    from seatrial.cli_progress import Progress
    from seatrial.uploads.declaration import read_declaration
    from seatrial.uploads.send import Parcel, deliver

    folder, root = Path(arguments.folder), _root(arguments.root)
    model = read_declaration(folder).manifest.name
    parcel = Parcel.of(folder, settings().largest_upload)
    name = arguments.to or f"{model}-{parcel.tree[:12]}"
    again = f"to go on: {_again(arguments, name)}"
    try:
        with Progress(sys.stderr) as progress:
            sent = deliver(parcel, root.storage, name, progress.start)
    except TryAgain as error:
        raise TryAgain(f"{error.message}; what has arrived is kept; {again}") from error
    except KeyboardInterrupt:
        print(f"seatrial: stopped; what has arrived is kept; {again}", file=sys.stderr)
        raise
    shown = root.name_of(name)
    said = "waits to be noticed" if sent else "is there already, with these very files: nothing was sent"
    return {"upload": shown, "model": model, "sent": sent, "tree_digest": parcel.tree}, [f"{shown}: {model} {said}"]


def manifest_schema(_: argparse.Namespace) -> Answer:
    from seatrial.uploads.manifest_entries import json_schema

    schema = json_schema()
    return schema, [json.dumps(schema, indent=2)]


def _root(url: str | None) -> UploadRoot:
    from seatrial.uploads.roots import open_roots

    read = settings()
    if url is None:
        return open_roots(read.uploads[:1], read.hdfs_token)[0]
    if not url:
        raise Refused("--root: is empty", field="root")
    return open_roots([url if "://" in url else Path(url).absolute().as_uri()], read.hdfs_token)[0]


def _again(arguments: argparse.Namespace, name: str) -> str:
    root = ["--root", arguments.root] if arguments.root else []
    return shlex.join(["seatrial", "upload", arguments.folder, "--to", name, *root])
