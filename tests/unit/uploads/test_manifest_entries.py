"""The manifest's schema and template are made from the model: none of them can say what the other does not."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from seatrial.cli import main
from seatrial.errors import UploadRefused
from seatrial.uploads.manifest import MANIFEST, Manifest, manifest_of, parse_manifest
from seatrial.uploads.manifest_entries import json_schema, manifest_entries
from seatrial.uploads.manifest_template import manifest_template

ROOT = Path(__file__).parents[3]
LEAST = {"name": "pitch", "format": "onnx", "objective": {"latency_ms": 150}, "samples": ["samples/a.npz"]}
FULL = {
    **LEAST,
    "model_file": "nets/pitch.onnx",
    "description": "two\nlines: with a colon, and «marks»",
    "user": "# not a comment",
    "tags": {"a key: with a colon": "yes"},
    "metrics": {"f1": 0.5, "loss": 1e-9},
    "hyper_parameters": {"epochs": 3, "augmented": True, "optimizer": "null"},
    "layers": {"audio": "serving_default_input_2:0"},
    "comparison": {"comparison_class": "retrained", "rtol": 0.1},
    "capture": {"share": 0.1, "without": ["user"]},
    "rollover": {"watch_s": 0},
    "engine": {"version_compatible": True},
}
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


def paths(model: Any = Manifest, above: str = "") -> set[str]:
    found = set()
    for name, field in model.model_fields.items():
        found.add(above + name)
        if isinstance(field.annotation, type) and hasattr(field.annotation, "model_fields"):
            found |= paths(field.annotation, f"{above}{name}.")
    return found


def test_every_field_of_the_manifest_is_an_entry_with_a_description_and_numbers_say_their_range() -> None:
    entries = {entry.name: entry for entry in manifest_entries()}
    assert entries.keys() == paths()
    assert all(len(entry.description) > 10 for entry in entries.values())
    assert all(entry.limits for entry in entries.values() if not entry.is_section)
    assert (entries["objective.latency_ms"].unit, entries["objective.latency_ms"].required) == ("ms", True)
    assert (entries["comparison.traffic_wait_s"].default, entries["comparison.traffic_wait_s"].unit) == (300.0, "s")
    assert entries["objective.percentile"].limits == "a number, 50 to 99.99"
    assert entries["format"].limits == "one of onnx, savedmodel, tensorrt"


@pytest.mark.parametrize("values", [LEAST, FULL])
def test_a_template_is_the_manifest_of_the_values_that_it_was_made_of(values: dict[str, Any]) -> None:
    text = manifest_template(values, ["input x FP32[-1,4]"])
    assert manifest_of(text.encode()) == parse_manifest(values)
    assert "# input x FP32[-1,4]\n" in text
    for entry in manifest_entries():
        assert re.search(rf"^\s*#?{entry.path[-1]}:", text, re.M), entry.name
    assert max(map(len, text.splitlines())) <= 120


def test_an_entry_of_a_template_that_is_uncommented_has_its_default() -> None:
    text = manifest_template({**LEAST, "model_file": "model.onnx"})
    uncommented = re.sub(r"^(\s*)#(?! )", r"\1", text, flags=re.M)
    assert uncommented != text
    document = yaml.safe_load(uncommented)
    assert all(name in document.get("capture", {}) for name in ("share", "per_minute", "without"))
    assert manifest_of(uncommented.encode()) == parse_manifest(LEAST)


@pytest.mark.parametrize("option", [(), ("--json",)])
def test_the_command_prints_the_schema(option: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    main(["manifest-schema", *option])
    assert json.loads(capsys.readouterr().out) == json_schema()


def validator() -> Any:
    jsonschema_rs = pytest.importorskip("jsonschema_rs", reason="is in the manager's environment only")
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
