"""The manifest's JSON Schema, by a validator of another hand: it takes what the documents show, and what it refuses is
refused as an upload."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from seatrial.errors import UploadRefused
from seatrial.uploads.manifest import MANIFEST, manifest_of, parse_manifest
from seatrial.uploads.manifest_entries import json_schema
from seatrial.uploads.manifest_template import manifest_template
from tests.unit.uploads.test_manifest_entries import FULL, LEAST

ROOT = Path(__file__).parents[2]
WRONG: list[dict[str, Any]] = [
    {"format": "caffe"},
    {"name": "../etc"},
    {"name": None},
    {"objective": {"latency_ms": 0}},
    {"objective": {"latency_ms": "fast"}},
    {"objective": {}},
    {"latency": 5},
    {"engine": {"compatible": True}},
    {"samples": []},
    {"metrics": {"f1": "high"}},
    {"comparison": {"min_requests": 1}},
    {"comparison": {"comparison_class": "same"}},
]


def validator() -> Any:
    schema = json_schema()
    assert jsonschema_rs.meta.is_valid(schema)
    return jsonschema_rs.Draft202012Validator(schema)


def written_manifests() -> list[str]:
    """Every manifest that the documents show."""
    found = []
    for document in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        blocks = re.findall(r"^```yaml\n(.*?)^```$", document.read_text(), re.M | re.S)
        found += [block for block in blocks if re.search(r"^objective:", block, re.M)]
    return found


@pytest.mark.parametrize("text", [manifest_template(FULL), *written_manifests()])
def test_the_schema_accepts_what_the_documents_and_templates_show(text: str) -> None:
    manifest = manifest_of(text.encode())
    assert manifest.name
    assert validator().is_valid(yaml.safe_load(text))


@pytest.mark.parametrize("values", [LEAST, FULL])
def test_the_schema_accepts_a_manifest_with_and_without_what_is_optional(values: dict[str, Any]) -> None:
    assert validator().is_valid(values)


@pytest.mark.parametrize("change", WRONG)
def test_what_the_schema_refuses_is_refused_as_an_upload(change: dict[str, Any]) -> None:
    assert not validator().is_valid({**LEAST, **change})
    with pytest.raises(UploadRefused, match=MANIFEST):
        parse_manifest({**LEAST, **change})
