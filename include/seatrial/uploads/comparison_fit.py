"""Whether what a manifest says of its outputs can be said of them (pure)."""

from __future__ import annotations

from collections.abc import Mapping

from seatrial.errors import UploadRefused
from seatrial.tensors import Signature, TensorSpec
from seatrial.uploads.comparison import Boxes, Embedding, Label, Output, Ranking, Text, Values

FLOATS = ("FP16", "FP32", "FP64", "BF16")


def check_outputs(outputs: Mapping[str, Output], signature: Signature, file: str) -> None:
    """Raise UploadRefused, naming the entry of `file`, what the output is and what its kind takes, unless each of
    `outputs` (by public layer name) is an output of `signature` of a dtype and shape that its kind is of."""
    known = {spec.name: spec for spec in signature.outputs}
    for layer, kind in outputs.items():
        field = f"comparison.outputs.{layer}"
        if layer not in known:
            raise UploadRefused("is no output of the model", file=file, field=field, limit=f"one of {', '.join(known)}")
        _check_kind(known[layer], kind, file, field)
        if isinstance(kind, Boxes):
            for entry, part in (("scores", kind.scores), ("labels", kind.labels)):
                if part is not None and part not in known:
                    limit = f"one of {', '.join(known)}"
                    raise UploadRefused(
                        "is no output of the model", file=file, field=f"{field}.{entry}", value=part, limit=limit
                    )


def _check_kind(spec: TensorSpec, kind: Output, file: str, field: str) -> None:
    limit = _wanted(spec, kind)
    if limit:
        raise UploadRefused(f"cannot be compared as {kind.kind}", file=file, field=field, value=spec, limit=limit)


def _wanted(spec: TensorSpec, kind: Output) -> str:
    """What the kind takes, where `spec` is not that."""
    fractions, last = spec.dtype in FLOATS, spec.shape[-1] if spec.shape else 1
    match kind:
        case Label() | Embedding() if not fractions or last in (0, 1):
            return f"{' or '.join(FLOATS)}, two or more in the last dimension"
        case Ranking() if spec.dtype in ("BYTES", "BOOL") or last in (0, 1):
            return "scores or ids, two or more in the last dimension"
        case Boxes() if spec.dtype in ("BYTES", "BOOL") or last not in (-1, 4):
            return "numbers, four in the last dimension"
        case Text() if spec.dtype != "BYTES":
            return "BYTES"
        case Values() if not fractions and (kind.rtol, kind.atol, kind.measure) != (None, None, None):
            return f"{' or '.join(FLOATS)} for a tolerance; all else is compared exactly"
    return ""
