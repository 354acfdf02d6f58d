"""ONNX weights outside the model file: each inside the upload, there, and as large as the graph says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from seatrial.errors import UploadRefused
from seatrial.formats.facts import read_start, shown
from seatrial.storage.paths import path_flaw

# TensorProto.DataType → bits of an element, as they are kept outside. Text (8) cannot be.
BITS = {
    **dict.fromkeys((1, 6, 12), 32),
    **dict.fromkeys((2, 3, 9, 17, 18, 19, 20, 24), 8),
    **dict.fromkeys((4, 5, 10, 16), 16),
    **dict.fromkeys((7, 11, 13, 14), 64),
    15: 128,
    **dict.fromkeys((21, 22, 23), 4),
    **dict.fromkeys((25, 26), 2),
}
EXTERNAL = 1
LONGEST_NUMBER = 20
LARGEST_BYTES = 2**63 - 1


def external_files(folder: Path, model_file: str, model: Any) -> tuple[str, ...]:
    """The files of the upload that hold weights of `model`, by path.

    Raises UploadRefused naming the tensor: its file is outside the upload, absent or too short for it, or its `length`
    is not that of its shape.
    """
    home = PurePosixPath(model_file).parent
    sizes: dict[str, int] = {}
    for tensor in tensors_of(model):
        if not _is_outside(tensor):
            continue
        said = _said(tensor)
        field = f"external data of {shown(tensor.name, 100)!r}"
        location = said.get("location", "")
        flaw = path_flaw(location)
        if flaw:
            raise UploadRefused(flaw, file=model_file, field=field, value=location, limit="a file inside the upload")
        path = str(home / location)
        if path not in sizes:
            sizes[path] = read_start(folder, path, 1)[1]
        _check_place(model_file, field, tensor, said, path, sizes[path])
    return tuple(sorted(sizes))


def external_place(tensor: Any) -> tuple[str, int] | None:
    """The file, beside the model's, and the offset of a tensor that `external_files` found right; None inside."""
    if not _is_outside(tensor):
        return None
    said = _said(tensor)
    return said["location"], _whole(said.get("offset", "0")) or 0


def _is_outside(tensor: Any) -> bool:
    return bool(tensor.external_data) or tensor.data_location == EXTERNAL


def _said(tensor: Any) -> dict[str, str]:
    return {entry.key: _text(entry.value) for entry in tensor.external_data}


def _check_place(model_file: str, field: str, tensor: Any, said: dict[str, str], path: str, size: int) -> None:
    needed = _needed_bytes(tensor)
    offset, length = (_whole(said.get(key, "")) for key in ("offset", "length"))
    if needed is None:
        kind = f"data type {tensor.data_type}, shape {shown(list(tensor.dims), 100)}"
        limit = f"numbers, {LARGEST_BYTES} bytes of them at most"
        raise UploadRefused("cannot be kept outside", file=model_file, field=field, value=kind, limit=limit)
    if "length" in said and length != needed:
        limit = f"{needed} bytes by its shape"
        raise UploadRefused(
            "is not its length", file=model_file, field=f"{field}, length", value=said["length"], limit=limit
        )
    if "offset" in said and (offset is None or offset + needed > size):
        limit = f"{needed} bytes in the {size} of {path}"
        raise UploadRefused(
            "is no offset", file=model_file, field=f"{field}, offset", value=said["offset"], limit=limit
        )
    if needed > size:
        limit = f"the {size} of {path}"
        raise UploadRefused("bytes are not there", file=model_file, field=field, value=needed, limit=limit)


def _needed_bytes(tensor: Any) -> int | None:
    """None where that is no number of bytes that any file has. Dimensions are not multiplied further than that: of many
    large ones the product has thousands of digits."""
    bits = BITS.get(tensor.data_type)
    if bits is None or any(size < 0 for size in tensor.dims):
        return None
    if 0 in tensor.dims:
        return 0
    for size in tensor.dims:
        bits *= size
        if bits > 8 * LARGEST_BYTES:
            return None
    return -(-bits // 8)


def _text(value: str | bytes) -> str:
    """Protobuf gives a text that is not UTF-8 as bytes. Raises UnicodeDecodeError for it."""
    return value if isinstance(value, str) else value.decode()


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= LONGEST_NUMBER else None


def tensors_of(message: Any) -> Iterator[Any]:
    """Every TensorProto anywhere inside a message: initializers, attributes, subgraphs, functions."""
    waiting = [message]
    while waiting:
        current = waiting.pop()
        if current.DESCRIPTOR.full_name == "onnx.TensorProto":
            yield current
            continue
        for descriptor, value in current.ListFields():
            if descriptor.message_type is not None:
                waiting.extend([value] if hasattr(value, "ListFields") else value)
