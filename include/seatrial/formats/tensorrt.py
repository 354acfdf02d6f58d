"""TensorRT plans: recognised by their header, without TensorRT and without a GPU.

A plan starts with `ftrt` (TensorRT 8.6 and later; the version in bytes 24 to 27, as trtexec --getPlanVersionOnly reads
it) or `ptrt` (6.0 to 8.5; the version in the first four one-byte fields, at byte 24). A field is a tag of four bytes,
`02 80 01 00` or up to 8.0 `02 00 01 00` for one byte, then its value. All integers are little-endian.

Behind `ftrt`, sections of 24 bytes follow from byte 32 (name reversed, 0, offset, size): `ENGN` is the engine, itself a
`ptrt` archive. The plan ends with `99 8b 8d 8b`. Both hold in every plan seen, up to TensorRT 10, and are asked of no
later one.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from seatrial.errors import UploadRefused
from seatrial.formats.facts import Finding, FormatFacts, read_start
from seatrial.formats.tensorrt_device import BuildDevice, first_value, read_device
from seatrial.storage.paths import open_beneath

HEADER_BYTES = 64
WINDOW_BYTES = 4096  # the device's values are among the first 400
BYTE_TAGS = (b"\x02\x80\x01\x00", b"\x02\x00\x01\x00")
LONGEST_TEXT = 2**20
OLDEST_MAJOR, NEWEST_MAJOR = 6, 31  # outside: not a TensorRT version but a damaged or foreign file
NEWEST_KNOWN_MAJOR = 10
SECTIONS_AT, SECTION_BYTES, MOST_SECTIONS = 32, 24, 16
TRAILER = b"\x99\x8b\x8d\x8b"
ENGINE = b"NGNE"

FALSE_FRIENDS = {
    b"ptrt": "is a TensorRT timing cache or an archive without a version, not a plan",
    b"TRT-": "is an INT8 calibration table of TensorRT, not a plan",
    b"PK\x03\x04": "is a zip archive, not a plan",
    b"\x08": "is an ONNX file, not a plan: build an engine of it, or upload it as onnx",
}


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
        return _header(_archive_version(start, 24), 24 + _payload_bytes(start))
    return None


def _archive_version(archive: bytes, at: int) -> tuple[int, ...]:
    return tuple(archive[each + 4] for each in range(at, at + 20, 5) if archive[each : each + 4] in BYTE_TAGS)


def inspect(folder: Path, model_file: str) -> FormatFacts:
    """The TensorRT version of a plan under runtime["tensorrt"], and under "built_on" the compute capability of the GPU.

    `built_on`, `multiprocessors` and `memory_mib` are left out where the plan's layout is not known: nothing is
    guessed. Its signature is not in the header. Raises UploadRefused for a file that is not a plan, is not as long as
    it says, or whose sections are not inside it.
    """
    start, size = read_start(folder, model_file, WINDOW_BYTES)
    header = read_header(start)
    if header is None:
        _refuse_wrapped(folder, model_file, start)
        reason = next(
            (said for magic, said in FALSE_FRIENDS.items() if start.startswith(magic)), "starts no TensorRT plan"
        )
        limit = "a plan of TensorRT 6.0 or later"
        raise UploadRefused(reason, file=model_file, field="header", value=start[:4], limit=limit)
    if size != header.declared_bytes:
        reason = "bytes are there: it is cut off" if size < header.declared_bytes else "bytes are there: too many"
        limit = f"{header.declared_bytes} bytes by its header"
        raise UploadRefused(reason, file=model_file, field="size", value=size, limit=limit)
    archive = _engine(folder, model_file, start, header)
    _check_same_version(model_file, header, archive)
    message = "are known only once a server has loaded the plan"
    finding = Finding(severity="info", file=model_file, location="layers", message=message)
    return FormatFacts(None, (model_file,), _runtime(header, read_device(archive)), (finding,))


def _runtime(header: PlanHeader, device: BuildDevice | None) -> dict[str, str]:
    if device is None:
        return {"tensorrt": header.version}
    memory = {} if device.memory_mib is None else {"memory_mib": str(device.memory_mib)}
    known = {"built_on": device.compute_capability, "multiprocessors": str(device.multiprocessors)}
    return {"tensorrt": header.version, **known, **memory}


def _engine(folder: Path, model_file: str, start: bytes, header: PlanHeader) -> bytes:
    """The start of the plan's engine archive, or nothing where there is none to be found."""
    if start.startswith(b"ptrt"):
        return start
    if int(header.version.partition(".")[0]) > NEWEST_KNOWN_MAJOR:
        return b""
    engine = b""
    for name, offset, length in _sections(model_file, start, header.declared_bytes):
        if name == ENGINE:
            with open_beneath(folder, model_file) as file:
                file.seek(offset)
                engine = file.read(min(length, WINDOW_BYTES))
    with open_beneath(folder, model_file) as file:
        file.seek(-len(TRAILER), 2)
        end = file.read()
    if end != TRAILER:
        limit = f"{TRAILER.hex(' ')}: it is damaged"
        raise UploadRefused("is not the end of a plan", file=model_file, field="end", value=end, limit=limit)
    return engine if engine.startswith(b"ptrt") else b""


def _check_same_version(model_file: str, header: PlanHeader, archive: bytes) -> None:
    """An engine says its version too, at one of two places. In every plan seen it is the header's."""
    version = ".".join(map(str, _archive_version(archive, first_value(archive))))
    if version.count(".") == 3 and version != header.version:
        limit = f"{header.version} by the plan's header"
        raise UploadRefused(
            "is the version that the engine says", file=model_file, field="engine", value=version, limit=limit
        )


def _sections(model_file: str, start: bytes, size: int) -> list[tuple[bytes, int, int]]:
    (count,) = struct.unpack_from("<Q", start, 8)
    if not 1 <= count <= MOST_SECTIONS or SECTIONS_AT + SECTION_BYTES * count > size:
        limit = f"1 to {MOST_SECTIONS}"
        raise UploadRefused("cannot be there", file=model_file, field="sections", value=count, limit=limit)
    found = []
    for number in range(count):
        name, _, offset, length = struct.unpack_from("<4sIQQ", start, SECTIONS_AT + SECTION_BYTES * number)
        if offset < SECTIONS_AT + SECTION_BYTES * count or offset + length > size:
            place, limit = f"{length} bytes at {offset}", f"inside the plan's {size} bytes"
            raise UploadRefused("are not there", file=model_file, field=f"section {number}", value=place, limit=limit)
        found.append((name, offset, length))
    return found


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
