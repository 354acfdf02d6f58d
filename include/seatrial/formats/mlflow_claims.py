"""What MLflow's MLmodel claims of a model, held against the model's own file (pure). The file is what is served."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from seatrial.errors import Refused
from seatrial.formats.facts import Finding, FormatFacts, shown
from seatrial.strict_json import read_json
from seatrial.tensors import DTYPES, TensorSpec
from seatrial.uploads.fields import as_mapping
from seatrial.uploads.mlflow import MLMODEL, MlflowModel

NAMES = {**{dtype.name: name for name, dtype in DTYPES.items()}, "str": "BYTES", "bytes": "BYTES"}
UNNAMED = ""


def mlflow_findings(said: MlflowModel, facts: FormatFacts) -> tuple[Finding, ...]:
    """What was assumed, what was left out, and each claim that the model's file does not bear out."""
    return (*_assumed(said), *_disagreements(said, facts))


def _assumed(said: MlflowModel) -> Iterator[Finding]:
    if said.objective_assumed:
        objective = said.document["objective"]
        yield Finding(
            severity="warning",
            file=MLMODEL,
            location="metadata.seatrial.objective",
            value=f"{objective['latency_ms']:g} ms at p{objective['percentile']:g}",
            message="is assumed: nobody said which latency is to be kept",
        )
    for note in said.notes:
        yield Finding(severity="info", file=MLMODEL, message=note)


def _disagreements(said: MlflowModel, facts: FormatFacts) -> Iterator[Finding]:
    serves = facts.runtime.get("signature")
    if said.signature_name is not None and said.signature_name != serves:
        yield _warning("flavors.tensorflow.signature_def_key", said.signature_name, serves, "is not what is served")
    if facts.signature is not None:
        for side, specs in (("inputs", facts.signature.inputs), ("outputs", facts.signature.outputs)):
            yield from _side(f"signature.{side}", as_mapping(said.signature).get(side), specs)


def _side(field: str, text: Any, specs: Sequence[TensorSpec]) -> Iterator[Finding]:
    if not text:
        return
    try:
        claims = _claims(text)
    except (Refused, ValueError, TypeError, KeyError):
        yield Finding(severity="warning", file=MLMODEL, location=field, message="is not of tensors: not compared")
        return
    if claims.keys() == {UNNAMED} and len(specs) == 1:
        claims = {specs[0].name: claims[UNNAMED]}
    own = {spec.name: spec for spec in specs}
    if claims.keys() != own.keys():
        yield _warning(field, ", ".join(sorted(claims)) or "nothing", ", ".join(sorted(own)), "are not its layers")
    for name in sorted(claims.keys() & own.keys()):
        if not _agree(claims[name], own[name]):
            yield _warning(f"{field}.{name}", str(claims[name]), str(own[name]), "is not what the model's file says")


def _claims(text: Any) -> dict[str, TensorSpec]:
    """The tensors of one side of a signature, as MLflow writes it: JSON in a text."""
    found = {}
    if not isinstance(text, str):
        raise TypeError(type(text))
    for entry in read_json(text, "signature"):
        spec, name = entry["tensor-spec"], str(entry.get("name", UNNAMED))
        found[name] = TensorSpec(name, NAMES[spec["dtype"]], tuple(int(size) for size in spec["shape"]))
    return found


def _agree(claim: TensorSpec, own: TensorSpec) -> bool:
    """A free dimension on either side fits: MLflow leaves the first one of an example free, whatever the model does."""
    sizes = zip(claim.shape, own.shape, strict=False)
    same = len(claim.shape) == len(own.shape) and all(-1 in pair or pair[0] == pair[1] for pair in sizes)
    return same and claim.dtype == own.dtype


def _warning(field: str, value: Any, limit: Any, message: str) -> Finding:
    return Finding(
        severity="warning",
        file=MLMODEL,
        location=shown(field),
        value=shown(value),
        limit=shown(limit),
        message=message,
    )
