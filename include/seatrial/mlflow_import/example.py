"""MLflow's input example as a sample (pure)."""

from __future__ import annotations

from typing import Any

import numpy as np

from seatrial.errors import Refused, SeatrialError
from seatrial.tensors import DTYPES, Array, Signature, check_tensors


def example_tensors(document: Any, signature: Signature) -> dict[str, Array]:
    """The tensors of an example that was logged as arrays, by the model's own input names and dtypes.

    A mapping names its inputs; a plain list is the input of a model that has one. Raises Refused with the reason for
    what does not fit the model: tables, other names, other shapes.
    """
    if isinstance(document, dict) and set(document) == {"inputs"}:
        document = document["inputs"]
    specs = {spec.name: spec for spec in signature.inputs}
    if isinstance(document, list) and len(specs) == 1:
        document = {next(iter(specs)): document}
    if not isinstance(document, dict) or set(document) != set(specs):
        raise Refused(f"the input example is not one array for each of {', '.join(specs)}", field="input_example")
    try:
        found = {name: np.asarray(value, DTYPES[specs[name].dtype]) for name, value in document.items()}
        check_tensors(signature.inputs, found)
    except (ValueError, TypeError, OverflowError, SeatrialError) as error:
        raise Refused(f"the input example does not fit the model: {error}", field="input_example") from error
    return found
