"""Tensors as the Open Inference Protocol names them: dtypes, a model's signature, and tensors in a file."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import IO, Any, ClassVar

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from seatrial.errors import BadInput, Refused

Array = NDArray[Any]
Tensors = Mapping[str, Array]

MOST_MEMBERS = 2100  # a thousand layers on each side, and room
PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # bzip2 and LZMA unfold without a bound on each piece
PIECE = 2**20

DTYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype(np.uint8),
    "UINT16": np.dtype(np.uint16),
    "UINT32": np.dtype(np.uint32),
    "UINT64": np.dtype(np.uint64),
    "INT8": np.dtype(np.int8),
    "INT16": np.dtype(np.int16),
    "INT32": np.dtype(np.int32),
    "INT64": np.dtype(np.int64),
    "FP16": np.dtype(np.float16),
    "FP32": np.dtype(np.float32),
    "FP64": np.dtype(np.float64),
    "BYTES": np.dtype(np.object_),
}


@dataclass(frozen=True)
class TensorSpec:
    """One layer: `dtype` is an Open Inference Protocol name, a dimension of -1 is free."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    name: str
    dtype: str
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.dtype}[{','.join(map(str, self.shape))}]"

    def accepts_shape(self, shape: tuple[int, ...]) -> bool:
        return len(shape) == len(self.shape) and all(
            want in (-1, got) for want, got in zip(self.shape, shape, strict=True)
        )


@dataclass(frozen=True)
class Signature:
    """What a model takes and gives, by the names that services use."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Signature:
        def specs(side: str) -> tuple[TensorSpec, ...]:
            return tuple(TensorSpec(s["name"], s["dtype"], tuple(s["shape"])) for s in document[side])

        return cls(specs("inputs"), specs("outputs"))


def dtype_name(array: Array) -> str:
    """The Open Inference Protocol name of an array's dtype. Raises Refused for one that the protocol lacks."""
    if array.dtype.kind in "OSU":
        return "BYTES"
    for name, dtype in DTYPES.items():
        if array.dtype == dtype:
            return name
    raise Refused(f"dtype {array.dtype} has no name in the Open Inference Protocol", value=str(array.dtype))


def check_tensors(specs: Iterable[TensorSpec], tensors: Tensors) -> None:
    """Raise BadInput unless `tensors` has exactly the layers of `specs`, each with its dtype and a fitting shape."""
    wanted = {spec.name: spec for spec in specs}
    names = ", ".join(sorted(wanted))
    for name in tensors:
        if name not in wanted:
            raise BadInput(name, expected=f"one of the layers {names}", got="a layer that the model does not have")
    for name, spec in wanted.items():
        if name not in tensors:
            raise BadInput(name, expected=str(spec), got="nothing")
        array = tensors[name]
        if dtype_name(array) != spec.dtype or not spec.accepts_shape(array.shape):
            raise BadInput(name, expected=str(spec), got=f"{dtype_name(array)}{list(array.shape)}".replace(" ", ""))


def to_npz(tensors: Tensors) -> bytes:
    """Tensors as the bytes of an .npz file. BYTES tensors are refused: .npz would have to pickle them."""
    for name, array in tensors.items():
        if array.dtype.hasobject:
            raise Refused(f"layer {name!r}: BYTES tensors cannot be kept in .npz", field=name)
    buffer = io.BytesIO()
    with zipfile.ZipFile(
        buffer, "w"
    ) as archive:  # np.savez takes the names as keywords: a layer called "file" would break it
        for name, array in tensors.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                npy_format.write_array(member, np.asarray(array, order="C"), allow_pickle=False)
    return buffer.getvalue()


def plain_text(array: Array, limit_bytes: int = 256 * 2**20) -> Array:
    """An array of str objects as .npz keeps it without pickling: each takes its longest's length.

    Raises ValueError, saying what it holds that cannot be kept: what is no text, a text that ends in NUL, which numpy
    would cut off, or more than `limit_bytes` in all.
    """
    if not all(type(each) is str for each in array.flat):
        raise ValueError("a value that is no text")
    if 4 * array.size * max(map(len, array.flat), default=0) > limit_bytes:
        raise ValueError("texts that are too long together")
    texts = array.astype(np.str_)
    if texts.tolist() != array.tolist():
        raise ValueError("a text that ends in NUL")
    return texts


def from_npz(data: bytes, *, limit_bytes: int = 256 * 2**20) -> dict[str, Array]:
    """The tensors of an .npz file's bytes. Never unpickles; declared sizes are checked before memory is taken.

    Raises Refused with the reason for anything that is not a well-formed .npz of plain arrays within `limit_bytes`
    in all.
    """
    tensors: dict[str, Array] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if len(archive.infolist()) > MOST_MEMBERS:
                raise ValueError(f"has {len(archive.infolist())} arrays, more than {MOST_MEMBERS}")
            for member in archive.infolist():
                name = member.filename.removesuffix(".npy")
                if name in tensors:
                    raise ValueError(f"{name!r} is there twice")
                tensors[name] = _member(archive, member, limit_bytes - sum(array.nbytes for array in tensors.values()))
    except Exception as error:  # zipfile, zlib and numpy's header parser raise a dozen unrelated kinds on crafted bytes
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise Refused(f"is not a readable .npz file: {reason}") from error
    return tensors


def _fill(file: IO[bytes], room: memoryview) -> int:
    """Read until `room` is full or the file ends; returns the bytes read. Takes no memory besides `room`."""
    at = 0
    while at < len(room):
        piece = file.read(min(PIECE, len(room) - at))
        if not piece:
            break
        room[at : at + len(piece)] = piece
        at += len(piece)
    return at


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, limit_bytes: int) -> Array:
    if member.compress_type not in PACKINGS:
        raise ValueError(f"{member.filename[:200]!r}: is compressed in a way that numpy does not write")
    with archive.open(member) as file:
        version = npy_format.read_magic(file)
        if version == (1, 0):
            shape, fortran, dtype = npy_format.read_array_header_1_0(file)
        elif version == (2, 0):
            shape, fortran, dtype = npy_format.read_array_header_2_0(file)
        else:
            raise ValueError(f"{member.filename!r}: unknown .npy version {version}")
        if dtype.hasobject:
            raise ValueError(f"{member.filename!r}: holds pickled objects")
        size = dtype.itemsize
        for dimension in shape:
            size *= dimension
        if min(shape, default=0) < 0 or size > limit_bytes:
            raise ValueError(f"{member.filename!r}: {size} bytes in shape {shape}, {limit_bytes} are left")
        raw = bytearray(size)
        found = _fill(file, memoryview(raw))
        if found != size or file.read(1):
            less_or_more = f"{found}" if found != size else "more"
            raise ValueError(f"{member.filename!r}: has {less_or_more} bytes of data, its header says {size}")
    flat = np.frombuffer(raw, dtype=dtype)
    return flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)
