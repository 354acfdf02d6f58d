"""TensorRT plans: recognised by their header, without TensorRT and without a GPU.

A plan starts with `ftrt` (TensorRT 8.6 and later; the version in bytes 24 to 27, as trtexec --getPlanVersionOnly reads
it) or `ptrt` (6.0 to 8.5; the version in the first four one-byte fields, at byte 24). A field is a tag of four bytes,
`02 80 01 00` or up to 8.0 `02 00 01 00` for one byte, then its value. All integers are little-endian.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from seatrial.errors import UploadRefused
from seatrial.formats.facts import Finding, FormatFacts, read_start

HEADER_BYTES = 64
BYTE_TAGS = (b"\x02\x80\x01\x00", b"\x02\x00\x01\x00")
LONGEST_TEXT = 2**20
OLDEST_MAJOR, NEWEST_MAJOR = 6, 31  # outside: not a TensorRT version but a damaged or foreign file


@dataclass(frozen=True)
class PlanHeader:
    """`version` as "8.6.1.6"; `declared_bytes` is the size that the plan has when it is whole."""

    version: str
    declared_bytes: int


def read_header(start: bytes) -> PlanHeader | None:
    """What the first 64 bytes of a file say, or None when they are not those of a TensorRT plan."""
    if len(start) < HEADER_BYTES:
        return None
    if start.startswith(b"ftrt\0\0\0\0"):
        (declared,) = struct.unpack_from("<Q", start, 16)
        return _header(tuple(start[24:28]), declared)
    if start.startswith(b"ptrt"):
        version = tuple(start[at + 4] for at in range(24, 44, 5) if start[at : at + 4] in BYTE_TAGS)
        return _header(version, 24 + _payload_bytes(start))
    return None


def inspect(folder: Path, model_file: str) -> FormatFacts:
    """The TensorRT version of a plan, under runtime["tensorrt"]. Its signature is not in the header.

    Raises UploadRefused for a file that is not a plan or is not as long as it says.
    """
    start, size = read_start(folder, model_file, HEADER_BYTES)
    header = read_header(start)
    if header is None:
        _refuse_wrapped(folder, model_file, start)
        limit = "a plan of TensorRT 6.0 or later"
        raise UploadRefused("starts no TensorRT plan", file=model_file, field="header", value=start[:4], limit=limit)
    if size != header.declared_bytes:
        reason = "bytes are there: it is cut off" if size < header.declared_bytes else "bytes are there: too many"
        limit = f"{header.declared_bytes} bytes by its header"
        raise UploadRefused(reason, file=model_file, field="size", value=size, limit=limit)
    message = "the signature of a plan is known only once a server has loaded it"
    finding = Finding(severity="info", file=model_file, message=message)
    return FormatFacts(None, (model_file,), {"tensorrt": header.version}, (finding,))


def _refuse_wrapped(folder: Path, model_file: str, start: bytes) -> None:
    """Ultralytics writes a length, that many bytes of JSON, then the plan: say so, for no server can load that."""
    (length,) = struct.unpack("<I", start[:4].ljust(4, b"\0"))
    if start[4:5] == b"{" and length <= LONGEST_TEXT:
        data, _ = read_start(folder, model_file, 4 + length + HEADER_BYTES)
        if read_header(data[4 + length :]) is not None:
            limit = f"the plan alone, without its first {4 + length} bytes"
            raise UploadRefused(
                "is text before the plan", file=model_file, field="header", value=start[4:20], limit=limit
            )


def _header(version: tuple[int, ...], declared: int) -> PlanHeader | None:
    if len(version) != 4 or not OLDEST_MAJOR <= version[0] <= NEWEST_MAJOR:
        return None
    return PlanHeader(".".join(map(str, version)), declared)


def _payload_bytes(start: bytes) -> int:
    """TensorRT 8.0 (version 43, second version 256) has the size after the checksum, all others before it."""
    if struct.unpack_from("<II", start, 4) == (43, 256):
        return int(struct.unpack_from("<Q", start, 16)[0])
    words = struct.unpack_from("<IIIQ", start, 4)
    if words[0] == 0:  # 8.2 to 8.5: u32 0, version, u32 0, size
        return int(words[3])
    return int(struct.unpack_from("<Q", start, 12)[0])
