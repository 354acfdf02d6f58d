"""What a new version's signature asks of services that call the old one (pure)."""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.tensors import Signature, TensorSpec


def breaking_changes(before: Signature, now: Signature) -> tuple[str, ...]:
    """Each change by which calls of the old signature fail or read something else, in words. A further output, or a
    dimension that has become free, breaks nothing. Nothing is known of a model that hides its layers."""
    if not before.inputs or not now.inputs:
        return ()
    return (*_inputs(before, now), *_outputs(before, now))


def _inputs(before: Signature, now: Signature) -> Iterator[str]:
    old, new = _by_name(before.inputs), _by_name(now.inputs)
    for name in old.keys() - new.keys():
        yield f"input {name} is gone"
    for name, spec in new.items():
        if name not in old:
            yield f"input {name} {spec} is needed"
        elif not _takes(spec, old[name]):
            yield f"input {name} was {old[name]} and is {spec}"


def _outputs(before: Signature, now: Signature) -> Iterator[str]:
    new = _by_name(now.outputs)
    for name, spec in _by_name(before.outputs).items():
        if name not in new:
            yield f"output {name} is gone"
        elif not _takes(spec, new[name]):
            yield f"output {name} was {spec} and is {new[name]}"


def _takes(wide: TensorSpec, narrow: TensorSpec) -> bool:
    """Whether every tensor of `narrow` is one of `wide`."""
    return (
        wide.dtype == narrow.dtype
        and len(wide.shape) == len(narrow.shape)
        and all(a in (-1, b) for a, b in zip(wide.shape, narrow.shape, strict=True))
    )


def _by_name(specs: tuple[TensorSpec, ...]) -> dict[str, TensorSpec]:
    return {spec.name: spec for spec in specs}
