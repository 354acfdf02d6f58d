"""The manifest's template is made from the model: neither can say what the other does not."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml

from seatrial.cli import main
from seatrial.uploads.manifest import Manifest, manifest_of, parse_manifest
from seatrial.uploads.manifest_entries import json_schema, manifest_entries
from seatrial.uploads.manifest_template import manifest_template

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
