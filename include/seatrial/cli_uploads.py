"""Commands of a researcher: what a manifest may say."""

from __future__ import annotations

import argparse
import json
from typing import Any

from seatrial.cli_common import Answer, command


def add_to(commands: Any) -> None:
    command(
        commands,
        "manifest-schema",
        manifest_schema,
        "the JSON Schema of model.yaml, for editors and other programs",
        "seatrial manifest-schema > model.schema.json",
    )


def manifest_schema(_: argparse.Namespace) -> Answer:
    from seatrial.uploads.manifest_entries import json_schema

    schema = json_schema()
    return schema, [json.dumps(schema, indent=2)]
