"""`variables.index` of a SavedModel: which tensor lies where in which shard. Read without TensorFlow.

The file is a sorted table as LevelDB has it (tensorflow/core/lib/io/table_format): blocks of entries, each followed by
a byte for its compression and four of a checksum; at the end 48 bytes that say where the block of blocks is. TensorFlow
writes these uncompressed. Keys are tensor names, values BundleEntryProto; the empty key has the BundleHeaderProto.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from seatrial.errors import UploadRefused
from seatrial.formats.facts import shown
from seatrial.formats.saved_model_proto import parse
from seatrial.formats.weights import Weight

FOOTER_BYTES, TRAILER_BYTES = 48, 5
MAGIC = struct.pack("<Q", 0xDB4775248B80FB57)
MOST_TENSORS = 100_000
FORMATS = {1: "FP32", 2: "FP64", 4: "UINT8", 6: "INT8", 14: "BF16", 19: "FP16"}  # of types.proto
NO_TABLE = "is no table of variables: cut off or damaged"


@dataclass(frozen=True)
class VariablesIndex:
    """`needed` has the bytes that each shard must have at least, by its number. `weights` by their checksums."""

    shards: int
    needed: Mapping[int, int]
    weights: tuple[Weight, ...] = ()


def read_index(data: bytes, file: str) -> VariablesIndex | None:
    """What an index says, or None where it is compressed, which is not read here.

    Raises UploadRefused: not a table, or a tensor outside the shards or before their start.
    """
    try:
        rows = dict(_entries(data))
    except _Compressed:
        return None
    except (ValueError, IndexError, struct.error) as error:
        raise UploadRefused(NO_TABLE, file=file, limit=f"{MAGIC.hex()} at its end") from error
    header = _message("BundleHeader", rows.pop(b"", b""), file, "header")
    shards = header.num_shards
    if not 1 <= shards <= MOST_TENSORS:
        raise UploadRefused("shards are said", file=file, field="header", value=shards, limit=f"1 to {MOST_TENSORS}")
    needed = dict.fromkeys(range(shards), 0) if shards <= len(rows) + 1 else {}
    weights: list[Weight | None] = []
    for key, value in rows.items():
        entry = _message("BundleEntry", value, file, _name(key))
        if min(entry.offset, entry.size) < 0 or not 0 <= entry.shard_id < shards:
            place = f"shard {entry.shard_id}, {entry.size} bytes at {entry.offset}"
            limit = f"one of the {shards} shard(s)"
            raise UploadRefused("is no place for a tensor", file=file, field=_name(key), value=place, limit=limit)
        needed[entry.shard_id] = max(needed.get(entry.shard_id, 0), entry.offset + entry.size)
        weights.append(_weight(entry))
    return VariablesIndex(shards, needed, tuple(filter(None, weights)))


def _weight(entry: Any) -> Weight | None:
    kind = FORMATS.get(entry.dtype)
    if kind is None or entry.shape.unknown_rank:
        return None
    return Weight(kind, tuple(dim.size for dim in entry.shape.dim), digest=f"crc32c {entry.crc32c:08x}")


class _Compressed(Exception):
    pass


def _entries(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    footer = data[-FOOTER_BYTES:]
    if len(footer) < FOOTER_BYTES or not footer.endswith(MAGIC):
        raise ValueError
    at = _handle(footer, 0)[2]  # past the block of statistics
    start, size, _ = _handle(footer, at)
    count = 0
    for _, handle in _block(data, start, size):
        start, size, _ = _handle(handle, 0)
        for row in _block(data, start, size):
            count += 1
            if count > MOST_TENSORS:
                raise ValueError
            yield row


def _block(data: bytes, start: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    end = start + size
    if end + TRAILER_BYTES > len(data) - FOOTER_BYTES or size < 4:
        raise ValueError
    if data[end]:
        raise _Compressed
    (restarts,) = struct.unpack_from("<I", data, end - 4)
    at, end, key = start, end - 4 - 4 * restarts, b""
    if end < start:
        raise ValueError
    while at < end:
        shared, at = _varint(data, at)
        own, at = _varint(data, at)
        length, at = _varint(data, at)
        if shared > len(key) or at + own + length > end:
            raise ValueError
        key = key[:shared] + data[at : at + own]
        yield key, data[at + own : at + own + length]
        at += own + length


def _handle(data: bytes, at: int) -> tuple[int, int, int]:
    """Start and size of a block, and where the handle ends."""
    start, at = _varint(data, at)
    size, at = _varint(data, at)
    return start, size, at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    number = 0
    for shift in range(0, 70, 7):
        number |= (data[at] & 0x7F) << shift
        at += 1
        if not data[at - 1] & 0x80:
            return number, at
    raise ValueError


def _message(kind: str, data: bytes, file: str, field: str) -> Any:
    from google.protobuf.message import DecodeError

    try:
        return parse(kind, data)
    except DecodeError as error:
        raise UploadRefused(NO_TABLE, file=file, field=field) from error


def _name(key: bytes) -> str:
    return repr(shown(key.decode(errors="replace"), 100))
