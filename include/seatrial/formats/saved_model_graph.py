"""What a SavedModel's graph may hold: no operators that run code or touch files, and assets of its own only."""

from __future__ import annotations

from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from seatrial.errors import UploadRefused
from seatrial.formats.facts import read_start, shown
from seatrial.storage.paths import path_flaw

MOST_NODES = 1_000_000
WAYS_BACK = ("NextIteration", "RefNextIteration")

# operator → what it does that a model in production may not. Saving and restoring variables is in every SavedModel.
DANGEROUS = {
    **dict.fromkeys(("PyFunc", "PyFuncStateless", "EagerPyFunc"), "runs Python code that is not in the file"),
    **dict.fromkeys(("ReadFile", "WholeFileReader", "WholeFileReaderV2", "MatchingFiles"), "reads any file"),
    **dict.fromkeys(("TextLineReader", "TextLineReaderV2", "FixedLengthRecordReader"), "reads any file"),
    **dict.fromkeys(("FixedLengthRecordReaderV2", "TFRecordReader", "TFRecordReaderV2"), "reads any file"),
    **dict.fromkeys(("TextLineDataset", "TFRecordDataset", "TFRecordDatasetV2"), "reads any file"),
    **dict.fromkeys(("FixedLengthRecordDataset", "FixedLengthRecordDatasetV2", "CSVDataset"), "reads any file"),
    **dict.fromkeys(("CSVDatasetV2", "SqlDataset", "LoadDataset", "CacheDataset"), "reads any file"),
    **dict.fromkeys(
        ("ExperimentalCSVDataset", "ExperimentalSqlDataset", "LMDBReader", "LMDBDataset"), "reads any file"
    ),
    **dict.fromkeys(("ExperimentalLMDBDataset", "SnapshotDataset", "SnapshotDatasetV2"), "reads any file"),
    **dict.fromkeys(("WriteFile", "Save", "SaveSlices", "SaveDataset", "SaveDatasetV2"), "writes any file"),
    **dict.fromkeys(("WriteSummary", "CreateSummaryFileWriter", "CreateSummaryDbWriter"), "writes any file"),
    **dict.fromkeys(("PrintV2", "DumpDebug", "DebugIdentityV2", "DebugIdentityV3"), "writes any file"),
    **dict.fromkeys(("DebugIdentity", "DebugNanCount", "DebugNumericSummary"), "writes any file"),
    **dict.fromkeys(("DataServiceDatasetV2", "DataServiceDatasetV3", "DataServiceDatasetV4"), "talks to other hosts"),
    **dict.fromkeys(("RpcClient", "RpcCall", "RpcServer", "RemoteCall", "DataServiceDataset"), "talks to other hosts"),
}


def check_graph(folder: Path, model_file: str, graph: Any, file: str) -> None:
    """Raise UploadRefused naming the operator or the asset that `graph`, a MetaGraph, may not have."""
    functions = graph.graph.library.functions
    total = len(graph.graph.nodes) + sum(len(function.nodes) for function in functions)
    if total > MOST_NODES:
        raise UploadRefused("nodes are too many", file=file, field="graph", value=total, limit=MOST_NODES)
    for place, node in _nodes(graph):
        if node.op in DANGEROUS:
            field = f"{place}{shown(node.name, 100)}"
            limit = "operators that compute"
            raise UploadRefused(DANGEROUS[node.op], file=file, field=field, value=node.op, limit=limit)
    for nodes in (graph.graph.nodes, *(function.nodes for function in functions)):
        _check_order(nodes, file)
    for asset in graph.assets:
        flaw = path_flaw(asset.filename)
        if flaw:
            field = f"asset of {shown(asset.tensor_info.name, 100)}"
            limit = "a file in the folder assets"
            raise UploadRefused(flaw, file=file, field=field, value=asset.filename, limit=limit)
        _check_there(folder, f"{model_file}/assets/{asset.filename}")


def _nodes(graph: Any) -> Iterator[tuple[str, Any]]:
    for node in graph.graph.nodes:
        yield "", node
    for function in graph.graph.library.functions:
        for node in function.nodes:
            yield f"function {shown(function.signature.name, 100)}, ", node


def _check_order(nodes: Any, file: str) -> None:
    """Refuse nodes that wait for themselves, which no runtime ends with. A loop's way back is by its own operator."""
    known = {node.name: node for node in nodes}
    waits = {
        name: {each for each in map(_source, node.inputs) if each in known and known[each].op not in WAYS_BACK}
        for name, node in known.items()
    }
    try:
        TopologicalSorter(waits).prepare()
    except CycleError as error:
        field = f"node {shown(error.args[1][0], 100)}"
        raise UploadRefused("waits for its own output", file=file, field=field, limit="no cycle") from error


def _source(text: str) -> str:
    """The node that an input `name:1` or `^name` comes from."""
    return text.removeprefix("^").partition(":")[0]


def _check_there(folder: Path, path: str) -> None:
    try:
        read_start(folder, path, 1)
    except UploadRefused as error:
        if "is empty" not in error.message:  # an empty list of words is a list
            raise UploadRefused("is missing: the graph names it as an asset", file=path) from error
