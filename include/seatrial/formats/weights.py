"""What a model's weights are, by which two versions of it are told apart (pure)."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod

from pydantic import BaseModel, ConfigDict, Field

QUANTISED = ("INT8", "UINT8", "INT4", "UINT4", "FP8", "FP4")
FORMATS = ("FP64", "FP32", "FP16", "BF16", *QUANTISED)


@dataclass(frozen=True)
class Weight:
    """One tensor of a model: `digest` tells its content; `file` and `offset` do where that is outside the model's."""

    format: str
    shape: tuple[int, ...]
    digest: str = ""
    file: str = ""
    offset: int = 0


class Weights(BaseModel):
    """All weights of a model, as they are kept; nothing where its format hides them.

    Weights are tensors of fractions, or quantised ones, with more than one element: shapes and counters, which are
    tensors too, change with the batch that a network is exported for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    formats: dict[str, int] = Field(default={}, description="How many there are of each number format.")
    digest: str = Field(default="", description="Of all of them, whatever their names and order.")

    @property
    def precision(self) -> str:
        """The number format of most; of equally many the one with fewer bits. Empty without any."""
        return max(self.formats, key=lambda name: (self.formats[name], FORMATS.index(name)), default="")


def weights_of(found: Iterable[Weight], files: Mapping[str, str]) -> Weights:
    """The summary; `files` has the digest of each file that a weight is in."""
    kept = [weight for weight in found if weight.format in FORMATS and prod(weight.shape) > 1]
    if not kept:
        return Weights()
    lines = sorted(f"{weight.format} {weight.shape} {_content(weight, files)}" for weight in kept)
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return Weights(formats=dict(sorted(Counter(weight.format for weight in kept).items())), digest=digest)


def _content(weight: Weight, files: Mapping[str, str]) -> str:
    return weight.digest or f"{files[weight.file]}@{weight.offset}"
