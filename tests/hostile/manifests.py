"""Manifests: YAML that is none, that multiplies, that never ends; and entries that want out of their folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.hostile.case import Build, Case
from tests.models import write_upload

MANIFEST = "model.yaml"
SOUND = b"name: tiny\nformat: onnx\nobjective: {latency_ms: 200.0}\nsamples: [samples/a.npz]\n"
LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(97 + n)}: &{chr(97 + n)} [{', '.join([f'*{chr(96 + n)}'] * 9)}]\n" for n in range(1, 12)
)


def _manifest(data: bytes | str) -> Build:
    raw = data.encode() if isinstance(data, str) else data
    return lambda folder: (write_upload(folder) / MANIFEST).write_bytes(raw)


def _entries(**entries: Any) -> Build:
    return lambda folder: write_upload(folder, **entries)


def _yaml(data: bytes | str, *says: str) -> Case:
    return Case(_manifest(data), MANIFEST, says)


def _entry(field: str, *says: str, **entries: Any) -> Case:
    return Case(_entries(**entries), MANIFEST, (field, *says))


def _absent(name: str) -> Build:
    return lambda folder: (write_upload(folder) / name).unlink()


YAML = {
    "absent": Case(_absent(MANIFEST), MANIFEST, ("is missing",)),
    "empty": _yaml(b"", "not a mapping"),
    "comment": _yaml("# nothing\n", "not a mapping"),
    "list": _yaml("- name: tiny\n", "not a mapping"),
    "two-documents": _yaml(SOUND + b"---\nname: other\n", "not valid YAML"),
    "cut-in-a-list": _yaml(SOUND[:-4], "not valid YAML"),
    "cut-in-a-mapping": _yaml(SOUND[:45], "not valid YAML"),
    "cut-before-the-samples": _yaml(SOUND[:54], "samples", "required"),
    "cut-in-the-format": _yaml(SOUND[:21], "format", "is not a known choice"),
    "anchor": _yaml("name: &a tiny\n", "anchor"),
    "billion-laughs": _yaml(LAUGHS, "anchor"),
    "alias-of-itself": _yaml("a: &a [*a]\n", "anchor"),
    "merge-key": _yaml("a: &a {b: 1}\nc: {<<: *a}\n", "anchor"),
    "python-tag": _yaml("a: !!python/object/apply:os.system ['touch here']\n", "tag"),
    "binary-tag": _yaml("a: !!binary AAAA\n", "tag"),
    "flow-nesting": _yaml("a: " + "[" * 100_000, "10 levels"),
    "mapping-nesting": _yaml("a: " + "{a: " * 50_000, "10 levels"),
    "block-nesting": _yaml("- " * 100_000, "10 levels"),
    "key-nesting": _yaml("? " * 100_000, "10 levels"),
    "nodes": _yaml("a: [" + "1," * 100_000 + "]", "nodes"),
    "long-value": _yaml("name: " + "x" * 100_000, "16384"),
    "10-MB-value": _yaml(b"name: " + b"x" * 10_000_000, "262144"),
    "10-MB-of-newlines": _yaml(b"\n" * 10_000_000, "262144"),
    "key-twice": _yaml(SOUND + b"name: other\n", "is given twice"),
    "NUL": _yaml(SOUND + b"user: a\0b\n", "not valid YAML"),
    "escape-sequence": _yaml(SOUND + b"user: a\x1b[2Jb\n", "not valid YAML"),
    "not-UTF-8": _yaml(SOUND + b"user: \xff\xfe\n", "not valid YAML"),
    "binary": _yaml(bytes(range(256)) * 16, "not valid YAML"),
    "digits": _yaml("name: " + "9" * 10_000, "cannot be read"),
    "date": _yaml("name: 2020-99-99\n", "cannot be read"),
    "tab": _yaml("name: tiny\n\tformat: onnx\n", "not valid YAML"),
    "quote-without-end": _yaml("name: 'tiny\n", "not valid YAML"),
}

NAMES = {
    "parent": "../x",
    "template": "{{ template }}",
    "option": "-rf",
    "capital": "Tiny",
    "empty": "",
    "long": "x" * 64,
    "line-break": "tiny\n",
    "NUL": "tiny\0",
    "blank": "a b",
    "ligature": "ﬁne",
    "cyrillic": "tіny",
    "number": 7,
    "list": ["tiny"],
}

PATHS = {
    "parent": "../x",
    "parent-below": "samples/../../x",
    "absolute": "/etc/passwd",
    "template": "{{ var.value.secret }}",
    "template-statement": "{% include 'x' %}",
    "option": "-rf",
    "option-below": "samples/-rf",
    "control": "a\x07b",
    "line-break": "a\nb",
    "right-to-left": "a\u202eb",
    "no-width": "a\u200bb",
    "backslash": "..\\x",
    "segment": "a//b",
    "here": ".",
    "folder": "a/",
    "empty": "",
    "long": "x" * 600,
    "deep": "/".join("abcdefghijklmnopqr"),
    "reserved": "nul",
    "url": "file:///etc/passwd",
    "number": 7,
}

RISING = [float(n) for n in range(50)]


def _arrivals(kind: str, times_s: list[float]) -> dict[str, Any]:
    return {"latency_ms": 100, "arrivals": kind, "arrival_times_s": times_s}


ENTRIES = {
    "format": _entry("format", "caffe", format="caffe"),
    "format-null": _entry("format", "'a'", format=["a"]),
    "unknown": _entry("latency", "not an entry", latency=5),
    "no-objective": _entry("objective", "required", objective=None),
    "negative-limit": _entry("objective.latency_ms", "-1", objective={"latency_ms": -1}),
    "limit-that-is-no-number": _entry("objective.latency_ms", objective={"latency_ms": float("nan")}),
    "endless-limit": _entry("objective.latency_ms", objective={"latency_ms": float("inf")}),
    "limit-in-words": _entry("objective.latency_ms", objective={"latency_ms": "1 day"}),
    "arrivals-that-are-not-said": _entry("objective.arrival_times_s", "recorded", objective=_arrivals("recorded", [])),
    "arrivals-beside-a-clock": _entry("objective.arrival_times_s", "recorded", objective=_arrivals("constant", RISING)),
    "arrivals-that-fall": _entry("objective.arrival_times_s", "rise", objective=_arrivals("recorded", RISING[::-1])),
    "arrivals-at-once": _entry("objective.arrival_times_s", "rise", objective=_arrivals("recorded", [5.0] * 50)),
    "two-arrivals": _entry("objective.arrival_times_s", "50", objective=_arrivals("recorded", [0.0, 1.0])),
    "many-arrivals": _entry("objective.arrival_times_s", "2000", objective=_arrivals("recorded", RISING * 50)),
    "metric-that-is-no-number": _entry("metrics.f1", metrics={"f1": float("nan")}),
    "many-tags": _entry("tags", "200", tags={f"t{n}": "x" for n in range(201)}),
    "tag-with-line-break": _entry("tags.a", tags={"a": "x\ny"}),
    "tag-name-with-control": _entry("tags", "control", tags={"a\x07": "x"}),
    "long-description": _entry("description", "10000", description="x" * 10_001),
    "description-with-control": _entry("description", "control", description="\x1b[2J"),
    "nested-parameter": _entry("hyper_parameters.a", hyper_parameters={"a": {"b": 1}}),
    "layer-name": _entry("layers", layers={"{{ x }}": "x"}),
    "layer-named-expected": _entry("layers", "expected.", layers={"expected.y": "y"}),
    "layer-of-nothing": _entry("layers.audio", "nothing", layers={"audio": "nothing"}),
    "two-layers-of-one": _entry("layers", "two names", layers={"a": "x", "b": "x"}),
    "layers-of-one-name": _entry("layers", "names two tensors", layers={"y": "x"}),
}


def _samples(paths: list[Any]) -> Build:
    def build(folder: Path) -> None:
        write_upload(folder, samples={})
        text = (folder / MANIFEST).read_text().replace("samples: []", f"samples: {paths!r}")
        (folder / MANIFEST).write_text(text)

    return build


SAMPLES = {
    "none": Case(_samples([]), MANIFEST, ("samples", "at least 1")),
    "not-npz": Case(_samples(["a.pkl"]), MANIFEST, ("samples", "is not an .npz file")),
    "twice": Case(_samples(["a.npz", "a.npz"]), MANIFEST, ("samples", "names a file twice")),
    "many": Case(_samples([f"{n}.npz" for n in range(1001)]), MANIFEST, ("samples", "1000")),
    "absent": Case(_samples(["a.npz"]), "a.npz", ("is missing",)),
    "parent": Case(_samples(["../a.npz"]), MANIFEST, ("samples.0",)),
    "option": Case(_samples(["-a.npz"]), MANIFEST, ("samples.0",)),
    "template": Case(_samples(["{{ x }}.npz"]), MANIFEST, ("samples.0",)),
}

CASES = {
    **{f"yaml-{name}": case for name, case in YAML.items()},
    **{f"name-{name}": _entry("name", name=value) for name, value in NAMES.items()},
    **{f"model-file-{name}": _entry("model_file", model_file=value) for name, value in PATHS.items()},
    **{f"entry-{name}": case for name, case in ENTRIES.items()},
    **{f"samples-{name}": case for name, case in SAMPLES.items()},
}
