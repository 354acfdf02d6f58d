"""What pydantic says of a wrong manifest, as one line that names file, field, value and limit."""

from __future__ import annotations

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from seatrial.errors import UploadRefused


def refusal(error: ErrorDetails, manifest: type[BaseModel], file: str) -> UploadRefused:
    """pydantic's error as one line. `ctx` holds the limit that was broken under the constraint's own name."""
    path = _entry(error)
    field = ".".join(path)
    context = error.get("ctx", {})
    if error["type"] == "missing":
        return UploadRefused("is missing", file=file, field=field, limit="required")
    if error["type"] == "extra_forbidden":
        known = ", ".join(_part(path, manifest).model_fields)
        return UploadRefused("is not an entry of a manifest", file=file, field=field, limit=known)
    value = error["input"]
    if error["type"] == "value_error":
        return UploadRefused(str(context["error"]), file=file, field=field, value=value)
    for name, (reason, words) in _LIMITS.items():
        if name in context:
            limit = words.format(context[name])
            return UploadRefused(reason, file=file, field=field, value=value, limit=limit)
    wanted = _TYPES.get(error["type"], error["msg"].removeprefix("Input should be "))
    return UploadRefused("is not accepted", file=file, field=field, value=value, limit=wanted)


def _part(path: list[str], manifest: type[BaseModel]) -> type[BaseModel]:
    """The model that the last entry of `path` would be a field of."""
    kind = manifest.model_fields[path[0]].annotation if len(path) > 1 else manifest
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else manifest


def _entry(error: ErrorDetails) -> list[str]:
    """The path to the entry that is wrong, printable, without the names that pydantic gives to branches of a union."""
    path = [str(part)[:100] for part in error["loc"]]
    kept = path[:2] if path[0] == "hyper_parameters" else [part for part in path if part != "[key]"]
    return [part if part.isprintable() else ascii(part) for part in kept]


_TYPES = {"model_type": "a mapping", "dict_type": "a mapping", "tuple_type": "a list", "invalid_key": "a text as name"}
_LIMITS = {
    "expected": ("is not a known choice", "{}"),
    "pattern": ("does not match the pattern", "{}"),
    "gt": ("is too small", "more than {:g}"),
    "ge": ("is too small", "at least {:g}"),
    "le": ("is too large", "at most {:g}"),
    "min_length": ("is too short", "at least {} long"),
    "max_length": ("is too long", "at most {} long"),
}
