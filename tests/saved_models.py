"""SavedModels of four nodes, put together field by field: no TensorFlow is needed, and every byte can be made a lie."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from pathlib import Path

from seatrial.client.fields import varint

TABLE_MAGIC = 0xDB4775248B80FB57
FLOAT = 1

Shard = tuple[str, int, int, int]
"""One tensor of an index: its name, shard, offset and bytes."""


def field(number: int, value: int | str | bytes) -> bytes:
    """One field of a protobuf message: a varint, or a text or message with its length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value % 2**64)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def shape(sizes: Iterable[int]) -> bytes:
    return b"".join(field(2, field(1, size)) for size in sizes)


def tensor_info(name: str, sizes: Iterable[int] = (-1, 4), dtype: int = FLOAT) -> bytes:
    return field(1, name) + field(2, dtype) + field(3, shape(sizes))


def node(name: str, op: str, inputs: Iterable[str] = (), attributes: Mapping[str, bytes] | None = None) -> bytes:
    entries = b"".join(field(5, field(1, key) + field(2, value)) for key, value in (attributes or {}).items())
    return field(1, name) + field(2, op) + b"".join(field(3, each) for each in inputs) + entries


def nodes() -> list[bytes]:
    """y = x · 2, as TensorFlow writes it."""
    two = field(1, FLOAT) + field(2, b"") + field(4, struct.pack("<f", 2.0))
    kind = field(6, FLOAT)
    return [
        node("x", "Placeholder", (), {"dtype": kind, "shape": field(7, shape((-1, 4)))}),
        node("two", "Const", (), {"dtype": kind, "value": field(8, two)}),
        node("y", "Mul", ("x", "two"), {"T": kind}),
    ]


def signature(inputs: Mapping[str, bytes], outputs: Mapping[str, bytes]) -> bytes:
    sides = ((1, inputs), (2, outputs))
    entries = b"".join(
        field(side, field(1, key) + field(2, info)) for side, tensors in sides for key, info in tensors.items()
    )
    return entries + field(3, "tensorflow/serving/predict")


TINY_SIGNATURE = signature({"x": tensor_info("x:0")}, {"y": tensor_info("y:0")})


def meta_graph(
    signatures: Mapping[str, bytes] | None = None,
    graph: Iterable[bytes] | None = None,
    tags: Iterable[str] = ("serve",),
    more: bytes = b"",
) -> bytes:
    """`graph` are NodeDef messages; `more` are further fields of the meta graph, as bytes."""
    chosen = {"serving_default": TINY_SIGNATURE} if signatures is None else signatures
    info = b"".join(field(4, tag) for tag in tags) + field(5, "2.15.0")
    definition = b"".join(field(1, each) for each in (nodes() if graph is None else graph)) + field(4, field(1, 1645))
    entries = b"".join(field(5, field(1, key) + field(2, value)) for key, value in chosen.items())
    return field(1, info) + field(2, definition) + entries + more


def saved_model(*graphs: bytes) -> bytes:
    return field(1, 1) + b"".join(field(2, graph) for graph in graphs or (meta_graph(),))


def write_saved_model(folder: Path, data: bytes | None = None) -> Path:
    """Write y = x · 2 (or `data` in its place) as a SavedModel without variables. Returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "saved_model.pb").write_bytes(saved_model() if data is None else data)
    return folder


def variables_index(
    tensors: Iterable[Shard], shards: int = 1, dtype: int = FLOAT, sums: Mapping[str, int] | None = None
) -> bytes:
    """`variables.index` as TensorFlow writes it: a sorted table of names, uncompressed, of one block. `sums` are
    checksums of tensors by name."""
    rows = [(b"", field(1, shards) + field(3, field(1, 1)))]
    for name, shard, offset, size in sorted(tensors):
        place = field(3, shard) + field(4, offset) + field(5, size)
        crc32c = varint(6 << 3 | 5) + struct.pack("<I", (sums or {}).get(name, 0))
        entry = field(1, dtype) + field(2, shape((size // 4,))) + place + crc32c
        rows.append((name.encode(), entry))
    data, meta = _block(rows), _block([])
    index = _block([(b"\xff", varint(0) + varint(len(data) - 5))])
    handles = varint(len(data)) + varint(len(meta) - 5) + varint(len(data) + len(meta)) + varint(len(index) - 5)
    return data + meta + index + handles.ljust(40, b"\0") + struct.pack("<Q", TABLE_MAGIC)


def _block(rows: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Entries without shared prefixes, one restart point, no compression; then a type byte and a checksum of zeros."""
    entries = b"".join(varint(0) + varint(len(key)) + varint(len(value)) + key + value for key, value in rows)
    return entries + struct.pack("<II", 0, 1) + b"\0" + bytes(4)


def write_variables(folder: Path, tensors: Iterable[Shard], sizes: Iterable[int]) -> None:
    """Write the index of `tensors` and shards of zeros, `sizes` bytes long each."""
    (folder / "variables").mkdir(parents=True, exist_ok=True)
    lengths = list(sizes)
    (folder / "variables" / "variables.index").write_bytes(variables_index(tensors, len(lengths)))
    for number, size in enumerate(lengths):
        (folder / "variables" / f"variables.data-{number:05d}-of-{len(lengths):05d}").write_bytes(bytes(size))
