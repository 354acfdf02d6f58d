"""What a server runs before it is ready: samples as one .npz, and as the requests that Triton makes of them (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from seatrial.errors import BadInput
from seatrial.tensors import Array, Tensors, TensorSpec, from_npz, to_npz

LARGEST = 64 * 2**20
"""Bytes of samples that are kept for a deployment, the first sample aside: each start reads and runs them."""


@dataclass(frozen=True)
class WarmUp:
    """`requests` equal requests with these tensors, run as one batch. Each has one row where rows are joined, and the
    tensors then lack the batch axis: Triton puts it before them."""

    name: str
    tensors: Tensors
    requests: int = 1

    def file(self, index: int) -> str:
        """The name of the file with the tensor at `index`, in Triton's folder `warmup`."""
        return f"{self.name}.{index}"


def warm_ups(samples: Sequence[Tensors], max_batch: int) -> tuple[WarmUp, ...]:
    """Every sample once. Where rows are joined a runtime prepares itself for each size of batch that it meets: of each
    new shape the batches of 1, 2, 4 … rows up to `max_batch` are run, of any other sample as many as it has rows.
    """
    if max_batch == 1:
        return tuple(WarmUp(f"sample-{number}", sample) for number, sample in enumerate(samples))
    return tuple(_joined(samples, max_batch))


def _joined(samples: Sequence[Tensors], max_batch: int) -> Iterator[WarmUp]:
    seen = set()
    for number, sample in enumerate(samples):
        rows = min((array.shape[0] for array in sample.values()), default=0)
        if rows == 0:
            continue
        row = {name: array[0] for name, array in sample.items()}
        shapes = _shapes(row)
        for size in {min(rows, max_batch)} if shapes in seen else batch_sizes(max_batch):
            yield WarmUp(f"sample-{number}-of-{size}", row, size)
        seen.add(shapes)


def batch_sizes(max_batch: int) -> list[int]:
    """1, 2, 4 … and `max_batch` itself."""
    return [*(size for power in range(max_batch.bit_length()) if (size := 2**power) < max_batch), max_batch]


def pack(samples: Iterable[Tensors], inputs: Sequence[TensorSpec]) -> bytes:
    """The input layers of samples as one .npz: one sample for each set of shapes, as far as there is room, but at
    least the first. Raises BadInput for a sample that lacks a layer."""
    kept: dict[object, Tensors] = {}
    room = LARGEST
    for sample in samples:
        tensors = _inputs(sample, inputs)
        if _shapes(tensors) not in kept:
            room -= sum(array.nbytes for array in tensors.values())
            if kept and room < 0:
                break
            kept[_shapes(tensors)] = tensors
    return to_npz({f"{n}/{name}": array for n, tensors in enumerate(kept.values()) for name, array in tensors.items()})


def unpack(data: bytes, inputs: Sequence[TensorSpec]) -> tuple[dict[str, Array], ...]:
    """The samples that `pack` put into `data`; the .npz of a plain sample is one sample.

    Raises Refused for what is no .npz, BadInput for a sample that lacks a layer.
    """
    samples: dict[str, dict[str, Array]] = {}
    for path, array in from_npz(data).items():
        number, slash, name = path.partition("/")
        if not (slash and number.isdecimal()):  # a layer's name begins with a letter
            number, name = "", path
        samples.setdefault(number, {})[name] = array
    return tuple(_inputs(sample, inputs) for sample in samples.values())


def _inputs(sample: Tensors, inputs: Sequence[TensorSpec]) -> dict[str, Array]:
    for spec in inputs:
        if spec.name not in sample:
            raise BadInput(spec.name, expected=str(spec), got="nothing in the warm-up sample")
    return {spec.name: sample[spec.name] for spec in inputs}


def _shapes(sample: Tensors) -> frozenset[tuple[str, tuple[int, ...]]]:
    return frozenset((name, array.shape) for name, array in sample.items())
