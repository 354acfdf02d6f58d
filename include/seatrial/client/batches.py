"""A batch as several requests, and their answers as one (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from seatrial.client.inputs import fit
from seatrial.client.routes import Target
from seatrial.errors import BadInput, Refused
from seatrial.tensors import Array, Signature

if TYPE_CHECKING:
    from seatrial.client.steps import InferResult


class Batch(NamedTuple):
    """What a batch is split into. `until`: its deadline, by the calls' clock."""

    target: Target
    signature: Signature
    pieces: list[dict[str, Array]]
    until: float


def split(
    signature: Signature, layers: Mapping[str, ArrayLike], servers: int, rows: int | None
) -> list[dict[str, Array]]:
    """Requests of at most `rows` rows each, in order; without `rows` as many as there are servers, of equal size.

    Layers with a free first dimension are split along it, as views; others go along whole. Raises BadInput as a single
    request would, and for layers of different lengths; Refused for less than a row, and where nothing can be split.
    """
    if rows is not None and rows < 1:
        raise Refused(f"a request of {rows} rows (limit: at least 1)", field="rows", value=rows, limit=1)
    arrays = fit(signature, layers)
    batched = {spec.name for spec in signature.inputs if spec.shape[:1] == (-1,)}
    if not batched:
        raise Refused("no layer of this model has a free first dimension: there is no batch to split", field="layers")
    lengths = {name: arrays[name].shape[0] for name in batched}
    count = max(lengths.values())
    for name, length in lengths.items():
        if length != count:
            raise BadInput(name, expected=f"{count} rows, as in the other layers", got=f"{length}")
    size = rows or max(1, -(-count // servers))
    return [
        {name: array[at : at + size] if name in batched else array for name, array in arrays.items()}
        for at in range(0, max(count, 1), size)
    ]


def join(signature: Signature, results: Sequence[InferResult]) -> dict[str, Array]:
    """The outputs one after the other. Raises Refused for an output without a free first dimension."""
    if len(results) == 1:
        return dict(results[0])
    fixed = [spec.name for spec in signature.outputs if spec.shape[:1] != (-1,)]
    if fixed:
        raise Refused(f"output {fixed[0]!r} has no free first dimension: answers cannot be joined", field=fixed[0])
    return {name: _joined([result[name] for result in results]) for name in results[0]}


def _joined(parts: list[Array]) -> Array:
    whole = np.concatenate(parts)
    whole.flags.writeable = False
    return whole
