"""MLflow's input example as the inputs of a model (pure)."""

from __future__ import annotations

from typing import Any

import numpy as np

from seatrial.errors import BadInput, Refused, shown
from seatrial.plain_values import plain_array
from seatrial.strict_json import read_json
from seatrial.tensors import DTYPES, Array, Signature, TensorSpec, plain_text

LARGEST_EXAMPLE = 24 * 2**20
MOST_LISTS = 2_000_000  # a list or object takes thirty times its text in memory; an image of 1024 x 1024 has a million
FIELD = "input_example"
NUMBERS, TEXTS = {bool, int, float}, {str}


def read_example(data: bytes, signature: Signature) -> dict[str, Array]:
    """The tensors that the bytes of an input example hold, by the names and in the dtypes of `signature`.

    It is what `log_model(…, input_example=…)` writes: a mapping names its inputs, a plain list is the input of a model
    that has one; either may be below `inputs`, as MLflow 1, examples with parameters and serving examples have it.
    Raises Refused with the reason for tables, for other names or values, for more than LARGEST_EXAMPLE. Shapes are
    not looked at, but that each tensor has one.
    """
    if len(data) > LARGEST_EXAMPLE:
        raise Refused("the input example is too large", field=FIELD, limit=f"{LARGEST_EXAMPLE} bytes")
    if data.count(b"[") + data.count(b"{") > MOST_LISTS:
        raise Refused("the input example has too many lists", field=FIELD, limit=MOST_LISTS)
    try:
        document = read_json(data, FIELD)
    except ValueError as error:
        reason = " ".join(str(error).split())[:300]
        raise Refused(f"the input example cannot be read: {reason}", field=FIELD) from error
    named = _named(document, signature)
    return {spec.name: _tensor(named[spec.name], spec) for spec in signature.inputs}


def _named(document: Any, signature: Signature) -> dict[str, Any]:
    names = {spec.name for spec in signature.inputs}
    if isinstance(document, dict) and "inputs" in document and document.keys() <= {"inputs", "params"}:
        below = document["inputs"]
        document = document if document.keys() == names and not isinstance(below, dict) else below
    if isinstance(document, list) and len(names) == 1:
        return {next(iter(names)): document}
    if not isinstance(document, dict) or document.keys() != names:
        found = f"is of {shown(sorted(document))}" if isinstance(document, dict) else "has no names"
        raise Refused(f"the input example {found}, not one array for each of {shown(sorted(names))}", field=FIELD)
    return document


def _tensor(value: Any, spec: TensorSpec) -> Array:
    """The array of one layer. Nothing is taken for it before what it will take is known."""
    wanted = DTYPES[spec.dtype]
    values = np.asarray(value, dtype=object)
    if not {type(each) for each in values.flat} <= (TEXTS if wanted.hasobject else NUMBERS):
        raise _unfit(spec, "not an array of such values")  # null is MLflow's NaN
    try:
        found = plain_array(spec, value, wanted)
    except BadInput as error:
        raise _unfit(spec, error.fields["got"]) from error
    try:
        return plain_text(found) if wanted.hasobject else found
    except ValueError as error:
        raise _unfit(spec, error) from error


def _unfit(spec: TensorSpec, found: object) -> Refused:
    return Refused(f"the input example does not fit the model: {spec.name} is {found} (limit: {spec})", field=FIELD)
