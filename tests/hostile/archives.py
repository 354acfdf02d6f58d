"""Samples: archives that lie, that unfold without end, that would run code; and tensors that no model takes."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from seatrial.tensors import to_npz
from tests.hostile.case import Build, Case, flipped
from tests.models import tiny_sample, write_upload

NAME = "samples/a.npz"
SOUND = to_npz(tiny_sample())
MIB = 2**20


class Runs:
    """What a pickle does when it is read."""

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, ("open('ran', 'w')",)


def _sample(data: bytes) -> Build:
    return lambda folder: (write_upload(folder) / NAME).write_bytes(data)


def _bytes(data: bytes, *says: str) -> Case:
    return Case(_sample(data), NAME, says or ("npz",))


def _made(make: Callable[[], bytes], *says: str) -> Case:
    """What is large is made when its turn comes."""
    return Case(lambda folder: _sample(make())(folder), NAME, says or ("npz",))


def _tensors(tensors: Mapping[str, Any], *says: str) -> Case:
    return _bytes(to_npz(tensors), *says)


def _zip(members: Mapping[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def _npy(header: str, data: bytes = b"", version: tuple[int, int] = (1, 0)) -> bytes:
    length = struct.pack("<H" if version == (1, 0) else "<I", len(header))
    return b"\x93NUMPY" + bytes(version) + length + header.encode("latin1") + data


def _declared(shape: str, data: bytes = bytes(16), kind: str = "'<f4'") -> bytes:
    """An archive whose only array says `shape` and holds `data`."""
    return _zip({"x.npy": _npy(f"{{'descr': {kind}, 'fortran_order': False, 'shape': {shape}}}\n", data)})


def _pickled() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([Runs()], dtype=object), allow_pickle=True)
    return _zip({"x.npy": buffer.getvalue()})


def _patched(data: bytes, at: int, value: bytes) -> bytes:
    return data[:at] + value + data[at + len(value) :]


def _bomb(size: int, said: int | None = None, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    head = _npy(f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({(said or size) // 16}, 4)}}\n")
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(buffer, "w", compression, compresslevel=1) as archive,
        archive.open("x.npy", "w", force_zip64=True) as member,
    ):
        member.write(head)
        for _ in range(size // MIB):
            member.write(bytes(MIB))
    return buffer.getvalue()


def _directory(data: bytes) -> int:
    return data.index(b"PK\x01\x02")


def _overlapping(count: int) -> bytes:
    """One member of 1 MB that the directory names `count` times, as in David Fifield's bombs."""
    one = _zip({"x.npy": bytes(MIB)}, zipfile.ZIP_DEFLATED)
    start, end = _directory(one), one.index(b"PK\x05\x06")
    entry = one[start:end]
    directory = b"".join(entry.replace(b"x.npy", f"{n:05d}".encode()) for n in range(count))
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, len(directory), start, 0)
    return one[:start] + directory + tail


def _floats(*values: float) -> Any:
    return np.array([values], np.float32)


def _much_together() -> Build:
    """Samples that are each within the limit and too large together."""

    def build(folder: Path) -> None:
        names = [f"samples/{n}.npz" for n in range(6)]
        write_upload(folder, samples={name: tiny_sample() for name in names})
        data = _bomb(200 * MIB)  # 900 kB
        for name in names:
            (folder / name).write_bytes(data)

    return build


CUTS = {
    f"cut-at-{at}": _bytes(SOUND[:at]) for at in (1, 4, 29, 60, 120, len(SOUND) // 2, len(SOUND) - 23, len(SOUND) - 1)
}

DAMAGE = {
    "no-archive": _bytes(b"not an archive"),
    "npy-instead": _bytes(_npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 4), }\n", bytes(16))),
    "pickle-instead": _bytes(pickle.dumps({"x": Runs()})),
    "zeros": _bytes(bytes(10_000)),
    "no-member": _bytes(_zip({}), "x"),
    "empty-member": _bytes(_zip({"x.npy": b""})),
    "another-member": _bytes(_zip({"x.txt": b"hello"})),
    "pickled": _bytes(_pickled(), "pickled"),
    "objects": _bytes(_declared("(1, 4)", pickle.dumps(Runs()), "'|O'"), "pickled"),
    "objects-inside": _bytes(_declared("(1,)", bytes(16), "[('a', '|O'), ('b', '<f8')]"), "pickled"),
    "version-3": _bytes(_zip({"x.npy": _npy("{}", b"", (3, 0))}), "version"),
    "version-9": _bytes(_zip({"x.npy": _npy("{}", b"", (9, 9))}), "version"),
    "header-that-is-code": _bytes(_zip({"x.npy": _npy("__import__('os').system('touch ran')\n")})),
    "header-that-nests": _bytes(_zip({"x.npy": _npy("(" * 9000)})),
    "header-that-is-long": _bytes(_zip({"x.npy": _npy("{'a': " + "9" * 60_000 + "}\n")})),
    "header-of-4-GB": _bytes(_zip({"x.npy": b"\x93NUMPY\2\0\xff\xff\xff\xff{"})),
    "header-without-shape": _bytes(_zip({"x.npy": _npy("{'descr': '<f4', 'fortran_order': False}\n")})),
    "more-than-there-is": _bytes(_declared("(1000, 4)"), "its header says"),
    "less-than-there-is": _bytes(_declared("(1, 4)", bytes(160)), "its header says"),
    "terabytes": _bytes(_declared(f"({2**38}, 4)")),
    "overflow": _bytes(_declared(f"({2**62}, 4)")),
    "overflow-to-zero": _bytes(_declared(f"({2**32}, {2**32})")),
    "negative": _bytes(_declared("(-1, 4)")),
    "negative-twice": _bytes(_declared("(-1, -4)")),
    "shape-of-truth": _bytes(_declared("(True, 4)")),
    "shape-in-words": _bytes(_declared("('a', 4)")),
    "many-dimensions": _bytes(_declared("(" + "1, " * 200 + ")", bytes(4))),
    "no-item-size": _bytes(_declared("(1, 4)", b"", "'|V0'")),
    "text-of-a-gigabyte": _bytes(_declared("(1,)", b"", f"'<U{2**28}'")),
    "unknown-kind": _bytes(_declared("(1, 4)", bytes(16), "'<q9'")),
    "shape-of-a-million": _bytes(_declared("(" + "0, " * 3000 + ")", b"")),
    "twice": _bytes(to_npz({"x": _floats(1, 2, 3, 4), "y": _floats(1, 2, 3, 4)}).replace(b"y.npy", b"x.npy"), "twice"),
}

BOMBS = {
    "300-MB-of-zeros": _made(lambda: _bomb(300 * MIB), "are left"),
    "250-MB-of-zeros-as-another-layer": _made(lambda: _bomb(250 * MIB).replace(b"x.npy", b"z.npy"), "z"),
    "more-unfolds-than-is-said": _made(lambda: _bomb(250 * MIB, said=MIB), "its header says"),
    "bzip2": _made(lambda: _bomb(64 * MIB, compression=zipfile.ZIP_BZIP2), "compressed"),
    "lzma": _made(lambda: _bomb(64 * MIB, compression=zipfile.ZIP_LZMA), "compressed"),
    "overlapping": _made(lambda: _overlapping(5000)),
    "many-members": _made(
        lambda: _zip(
            {
                f"{n}.npy": _npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }\n", bytes(4))
                for n in range(20_000)
            }
        )
    ),
    "together-too-large": Case(_much_together(), "samples/5.npz", ("too large", str(1024 * MIB))),
    "encrypted": _bytes(_patched(_patched(SOUND, 6, b"\1"), _directory(SOUND) + 8, b"\1")),
    "unknown-compression": _bytes(_patched(_patched(SOUND, 8, b"\x63"), _directory(SOUND) + 10, b"\x63")),
    "another-checksum": _bytes(_patched(SOUND, _directory(SOUND) + 16, b"\xde\xad\xbe\xef")),
    "says-no-size": _bytes(_patched(SOUND, _directory(SOUND) + 20, bytes(8))),
    "starts-elsewhere": _bytes(_patched(SOUND, _directory(SOUND) + 42, b"\xff\xff\xff\x7f")),
    "directory-elsewhere": _bytes(_patched(SOUND, len(SOUND) - 6, b"\xff\xff\xff\x7f")),
}

TENSORS = {
    "not-a-number": _tensors({"x": _floats(1, float("nan"), 3, 4)}, "x", "not a number"),
    "expected-not-a-number": _tensors(
        {**tiny_sample(), "expected.y": _floats(1, 2, 3, float("nan"))}, "expected.y", "not a number"
    ),
    "float64": _tensors({"x": np.zeros((1, 4))}, "x", "FP64"),
    "big-endian": _tensors({"x": np.zeros((1, 4), ">f4")}, ">f4"),
    "complex": _tensors({"x": np.zeros((1, 4), np.complex64)}, "complex64"),
    "text": _tensors({"x": np.array([["a", "b", "c", "d"]])}, "x", "BYTES"),
    "dates": _tensors({"x": np.zeros((1, 4), "M8[s]")}, "datetime64"),
    "fields": _tensors({"x": np.zeros((1, 4), [("a", "<f4")])}, "dtype"),
    "rank-1": _tensors({"x": np.zeros(4, np.float32)}, "x", "FP32[4]"),
    "rank-3": _tensors({"x": np.zeros((1, 1, 4), np.float32)}, "x", "FP32[1,1,4]"),
    "scalar": _tensors({"x": np.float32(1)}, "x", "FP32[]"),
    "another-width": _tensors({"x": np.zeros((1, 5), np.float32)}, "x", "FP32[1,5]"),
    "no-rows": _tensors({"x": np.zeros((0, 4), np.float32)}, "x", "no element"),
    "no-layer": _tensors({"expected.y": _floats(1, 2, 3, 4)}, "x", "nothing"),
    "another-layer": _tensors({**tiny_sample(), "z": _floats(1)}, "z"),
    "layer-outside": _tensors({**tiny_sample(), "../../x": _floats(1)}, "../../x"),
    "layer-with-control": _tensors({**tiny_sample(), "a\x1b[2J\n": _floats(1)}, r"a\x1b[2J\n"),
    "layer-of-60-kB": _tensors({**tiny_sample(), "a" * 60_000: _floats(1)}, "aaaa"),
    "expected-of-nothing": _tensors({**tiny_sample(), "expected.z": _floats(1)}, "expected.z"),
    "expected-shape": _tensors({**tiny_sample(), "expected.y": _floats(1)}, "expected.y", "FP32[1,1]"),
    "expected-kind": _tensors({**tiny_sample(), "expected.y": np.zeros((1, 4), np.int32)}, "expected.y", "INT32"),
}


CASES = {
    **CUTS,
    **DAMAGE,
    **BOMBS,
    **{f"tensor-{name}": case for name, case in TENSORS.items()},
    **{f"flip-{seed}": Case(_sample(flipped(SOUND, seed, bits=3)), NAME, may_pass=True) for seed in range(10)},
}
