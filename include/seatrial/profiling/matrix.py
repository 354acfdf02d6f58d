"""A matrix of hardware options, said in one entry; the order of measuring that saves restarts (pure). Source: methods,
section 2.

Axes: GPU model × MPS share × CPU cores × threads × instances × max batch. Valid are those where the threads of all
instances fit the cores. price = price_per_core · cores + price_per_gpu · MPS share.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from seatrial.hardware import HardwareOption

CELLS = 1000
"""Combinations that one entry may stand for; 180 valid ones are a large matrix already."""

_AXES = ("gpu", "mps_share", "cores", "threads", "instances", "max_batch")


def _each_once(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(set(values)) != len(values):
        raise ValueError("names a value twice")
    return values


_Each = AfterValidator(_each_once)
_Counts = Annotated[tuple[Annotated[int, Field(ge=1, le=1024)], ...], Field(min_length=1), _Each]
_Shares = Annotated[tuple[Annotated[float, Field(gt=0, le=1)], ...], _Each]
_Names = Annotated[tuple[str, ...], _Each]


class MatrixEntry(BaseModel):
    """One entry of the options file that stands for many options. A list is an axis; anything else holds for all."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    matrix: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,23}$", description="What the names of its options begin with.")
    device: Literal["cpu", "gpu"] = "cpu"
    gpu: _Names = Field(default=(), description="GPU models; with device gpu at least one.")
    mps_share: _Shares = Field(default=(), description="Shares of a GPU under MPS; none: whole GPUs without MPS.")
    cores: _Counts = (1,)
    threads: _Counts = (1,)
    instances: _Counts = (1,)
    max_batch: _Counts = (1,)
    max_queue_delay_us: int = Field(
        default=0, ge=0, description="Microseconds; for the options with max_batch above 1."
    )
    precision: Literal["fp32", "bf16"] = "fp32"
    price_per_core: float = Field(default=1.0, ge=0, description="Of an hour, in the unit of all prices of the file.")
    price_per_gpu: dict[str, float] = Field(default_factory=dict, description="Of an hour of the whole GPU, by model.")

    @model_validator(mode="after")
    def _a_gpu_has_a_price(self) -> Self:
        if self.device == "cpu" and (self.gpu or self.mps_share or self.price_per_gpu):
            raise ValueError("gpu, mps_share and price_per_gpu need device gpu, this matrix has device cpu")
        if self.device == "gpu" and not self.gpu:
            raise ValueError("device gpu needs gpu, the list of GPU models")
        if set(self.price_per_gpu) != set(self.gpu):
            raise ValueError(f"price_per_gpu has {sorted(self.price_per_gpu)}, gpu has {sorted(self.gpu)}")
        return self

    @model_validator(mode="after")
    def _not_too_many(self) -> Self:
        sizes = [len(getattr(self, axis)) or 1 for axis in _AXES]
        if (count := math.prod(sizes)) > CELLS:
            raise ValueError(f"stands for {' × '.join(map(str, sizes))} = {count} options (limit: {CELLS})")
        return self


def expand(entry: MatrixEntry) -> tuple[HardwareOption, ...]:
    """Its valid options, in the order of its axes. Raises ValueError where none is valid or an option's price is 0."""
    found = tuple(_options(entry))
    if not found:
        least = min(entry.threads) * min(entry.instances)
        raise ValueError(f"no option is valid: {least} threads at least, {max(entry.cores)} cores at most")
    return found


def _options(entry: MatrixEntry) -> Iterator[HardwareOption]:
    for values in itertools.product(*(getattr(entry, axis) or (None,) for axis in _AXES)):
        at = dict(zip(_AXES, values, strict=True))
        if at["instances"] * at["threads"] > at["cores"]:
            continue
        delay = entry.max_queue_delay_us if at["max_batch"] > 1 else 0
        named = {"name": _name(entry.matrix, at), "device": entry.device, "price": _price(entry, at)}
        yield HardwareOption.model_validate({**named, **at, "precision": entry.precision, "max_queue_delay_us": delay})


def _name(prefix: str, at: dict[str, Any]) -> str:
    """`cpu-c2-t1-i2-b8`; on a GPU `gpu-t4-s0.25-c1-t1-i1-b8`."""
    gpu = [] if at["gpu"] is None else ["".join(c if c.isalnum() else "-" for c in at["gpu"].lower())]
    share = [] if at["mps_share"] is None else [f"s{at['mps_share']:.3g}"]
    counts = [f"{axis.removeprefix('max_')[0]}{at[axis]}" for axis in _AXES[2:]]
    return "-".join([prefix, *gpu, *share, *counts])


def _price(entry: MatrixEntry, at: dict[str, Any]) -> float:
    gpu = 0.0 if at["gpu"] is None else entry.price_per_gpu[at["gpu"]] * (at["mps_share"] or 1.0)
    return round(float(entry.price_per_core * at["cores"] + gpu), 6)


def in_order(options: Iterable[HardwareOption]) -> tuple[HardwareOption, ...]:
    """The order of measuring: what is expensive to change is changed most rarely, and what is large comes first, so
    that an option comes after all that have more of everything (`pruning.dominates`)."""
    return tuple(sorted(options, key=_place))


def _place(option: HardwareOption) -> tuple[Any, ...]:
    """Most expensive to change first: the GPU, the MPS share (its daemon), the core set and the environment (both a new
    process), then what a running server could be told."""
    gpu = (option.device, option.gpu_uuid or "", option.gpu or "")
    counts = (option.cores, option.threads, option.instances, option.max_batch)
    share = (-(option.mps_share or 1.0), option.mps_share is None)
    return (*gpu, *share, *(-count for count in counts), option.name)
