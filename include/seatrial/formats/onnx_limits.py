"""What an ONNX file may ask of who loads it: versions that are known here, and a bounded number of nodes.

ONNX Runtime puts a model's own functions in the place of their calls: a file of 4 kB with twelve functions that each
call the one before nine times becomes 10^11 nodes. So the nodes are counted as they would unfold.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from seatrial.errors import UploadRefused
from seatrial.formats.facts import shown

MOST_NODES = 1_000_000
MOST_DEEP_CALLS = 100
OLDEST_OPSET = 7  # ONNX Runtime promises nothing below it
STANDARD = ("", "ai.onnx")

TOO_NEW = {
    "ir_version": re.compile(r"Unsupported model IR version: (\d+), max supported IR version: (\d+)"),
    "opset": re.compile(r"Opset (\d+) is under development.*is till opset (\d+)", re.DOTALL),
}


def check_versions(model: Any, file: str) -> None:
    """Raise UploadRefused naming both versions where the file's are newer than the onnx package here knows."""
    import onnx

    by = f"by onnx {onnx.__version__}"
    if not 1 <= model.ir_version <= onnx.IR_VERSION:
        limit = f"1 to {onnx.IR_VERSION} {by}"
        raise UploadRefused("is not supported", file=file, field="ir_version", value=model.ir_version, limit=limit)
    newest = onnx.defs.onnx_opset_version()
    for entry in model.opset_import:
        if entry.domain in STANDARD and not 1 <= entry.version <= newest:
            limit = f"1 to {newest} {by}"
            raise UploadRefused("is not supported", file=file, field="opset", value=entry.version, limit=limit)


def too_new(said: str, file: str) -> UploadRefused | None:
    """The refusal that ONNX Runtime's message stands for, if it is one of a version that it does not know."""
    import onnxruntime

    for field, pattern in TOO_NEW.items():
        found = pattern.search(said)
        if found:
            limit = f"at most {found[2]} by ONNX Runtime {onnxruntime.__version__}"
            return UploadRefused("is not supported", file=file, field=field, value=int(found[1]), limit=limit)
    return None


def old_opset(model: Any) -> int | None:
    """The standard opset where it is older than what ONNX Runtime promises to run."""
    return next((e.version for e in model.opset_import if e.domain in STANDARD and e.version < OLDEST_OPSET), None)


def check_nodes(model: Any, file: str) -> None:
    """Raise UploadRefused where the graph, its functions unfolded, has more than a million nodes or never ends."""
    functions = {(function.domain, function.name): function.node for function in model.functions}
    sizes: dict[tuple[str, str], int] = {}

    def size(nodes: Iterable[Any], calls: tuple[tuple[str, str], ...]) -> int:
        total = 0
        for node in nodes:
            called = (node.domain, node.op_type)
            total += 1 + (call(called, calls) if called in functions else 0)
            total += sum(size(graph.node, calls) for each in node.attribute for graph in (each.g, *each.graphs))
        return total

    def call(called: tuple[str, str], calls: tuple[tuple[str, str], ...]) -> int:
        if called in calls or len(calls) >= MOST_DEEP_CALLS:
            name = shown(".".join(map(str, called)), 100)
            limit = f"{MOST_DEEP_CALLS} calls inside one another"
            raise UploadRefused("calls itself, or too deep", file=file, field=f"function {name}", limit=limit)
        if called not in sizes:
            sizes[called] = size(functions[called], (*calls, called))
        return sizes[called]

    written = len(model.graph.node) + sum(len(nodes) for nodes in functions.values())
    found = written if written > MOST_NODES else size(model.graph.node, ())
    if found > MOST_NODES:
        reason = "nodes are too many, with each function in the place of its calls"
        raise UploadRefused(reason, file=file, field="graph", value=found, limit=MOST_NODES)
