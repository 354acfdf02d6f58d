"""A check report and its findings as one line each, for a log or a table (pure): documents in, text out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LONGEST_LINE = 1000


def report_line(report: Mapping[str, Any]) -> str:
    """A report's document as one line: format, signature, versions, how much there is, and what was found.

    `onnx: x FP32[-1,4] → y FP32[-1,4]; onnxruntime 1.23.2, opset ai.onnx 13; 4 files, 2 samples; no finding`
    """
    served = report["served"]
    sides = [", ".join(map(_layer, served["signature"][side])) for side in ("inputs", "outputs")]
    layers = " → ".join(sides) if all(sides) else "layers are known once a server has loaded it"
    versions = ", ".join(f"{name} {version}" for name, version in report["runtime"].items())
    counts = f"{len(report['files'])} files, {len(report['sample_names'])} samples"
    found = "; ".join(map(finding_line, report["findings"])) or "no finding"
    return shown(f"{served['format']}: {layers}; {versions}; {counts}; {found}", LONGEST_LINE)


def finding_line(finding: Mapping[str, Any]) -> str:
    """`warning: model.onnx: opset: 6 is older than … (limit: 7 or later)`, as a refusal has it."""
    where = f"{finding['file']}: {finding['location']}" if finding["location"] else finding["file"]
    said = f"{finding['value']} {finding['message']}" if finding["value"] else finding["message"]
    limit = f" (limit: {finding['limit']})" if finding["limit"] else ""
    return shown(f"{finding['severity']}: {where}: {said}{limit}", LONGEST_LINE)


def shown(text: object, length: int = 300) -> str:
    """Text out of a file or a vendor's message as one printable line."""
    line = " ".join(str(text).split())
    return "".join(c if c.isprintable() else "?" for c in line)[:length]


def _layer(layer: Mapping[str, Any]) -> str:
    return f"{layer['name']} {layer['dtype']}[{','.join(map(str, layer['shape']))}]"
