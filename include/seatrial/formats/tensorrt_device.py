"""The GPU that a TensorRT plan was built on, as its engine archive says it. Pure: bytes in, facts or None out.

NVIDIA documents none of this: the layouts were worked out from engines of TensorRT 6.0 to 10.15 whose boards are known.
The archive (`ptrt`) holds tagged values after its own header. A tag is a kind, `80` or up to 8.0 `00`, then `01 00`; an
unknown kind opens a nested object. The first four bytes-long values are the version; in one of the objects behind them
the device's properties follow each other in an order that changed with the releases. The order is told by the kinds of
the values, for it changed without any version number, and believed only where the values can be a GPU's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

KINDS = {0x02: ("u", 1), 0x07: ("i", 4), 0x08: ("l", 8), 0x09: ("L", 8), 0x0A: ("b", 1)}  # letter, bytes
TAG_BYTES = 4
MOST_VALUES = 80


@dataclass(frozen=True)
class BuildDevice:
    """`compute_capability` as "8.6"; `memory_mib` where the release wrote it down."""

    compute_capability: str
    multiprocessors: int
    memory_mib: int | None


@dataclass(frozen=True)
class Layout:
    """The kinds of a device's values in order, and at which of them what is looked for is."""

    kinds: str
    capability: int
    multiprocessors: int
    memory: int | None


LAYOUTS = (
    Layout("iiiiilliiiibiiiiiLi", 0, 10, 17),  # 10.0
    Layout("iiiiilliiiibiiiiiL", 0, 10, 17),  # 10.1 to 10.6
    Layout("iiiiilliiiibiiiiLi", 0, 10, 16),  # 8.5, 8.6
    Layout("iiiiiliiiibiiiiLi", 0, 9, 15),  # 8.4
    Layout("iiiiillllibiiiiLi", 0, 9, 15),  # 8.0 to 8.2
    Layout("iiiiillllibiiiil", 0, 9, 15),  # 7.1, 7.2
    Layout("iiiiillllib", 0, 9, None),  # 6.0, 7.0
    Layout("Llliiiiiiiiiiii", 12, 8, 0),  # 10.9 to 10.15
)


def read_device(archive: bytes) -> BuildDevice | None:
    """What the start of a `ptrt` archive says of the device, or None where the layout is none of those known."""
    for kinds, values in _objects(archive):
        for layout in LAYOUTS:
            if kinds.startswith(layout.kinds):
                return _device(layout, values)
    return None


def _device(layout: Layout, values: list[int]) -> BuildDevice | None:
    major, minor = values[layout.capability : layout.capability + 2]
    multiprocessors = values[layout.multiprocessors]
    if not (1 <= major <= 20 and 0 <= minor <= 9 and 1 <= multiprocessors <= 1024):
        return None
    memory = None if layout.memory is None else values[layout.memory] // 2**20
    return BuildDevice(f"{major}.{minor}", multiprocessors, memory)


def _objects(archive: bytes) -> Iterator[tuple[str, list[int]]]:
    """The values of each object, by their kinds, up to the first place that cannot be read."""
    at = first_value(archive)
    kinds: str = ""
    values: list[int] = []
    for _ in range(MOST_VALUES):
        tag = archive[at : at + TAG_BYTES]
        if not _is_tag(tag):
            break
        at += TAG_BYTES
        letter, size = KINDS.get(tag[0], ("", 0))
        if not letter:
            yield kinds, values
            kinds, values = "", []
        elif at + size > len(archive):
            break
        elif letter != "u":
            kinds += letter
            values = [*values, int.from_bytes(archive[at : at + size], "little", signed=letter in "il")]
        at += size
    yield kinds, values


def first_value(archive: bytes) -> int:
    """Where the tag of the archive's first value is: behind a header that 10.9 made four bytes shorter."""
    return 20 if _is_tag(archive[20:24]) else 24


def _is_tag(data: bytes) -> bool:
    return len(data) == TAG_BYTES and data[1] in (0x00, 0x80) and data[2:] == b"\x01\x00"
