"""Several requests as one call of a runtime, and its answer in as many parts (pure, without Triton)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .arrays import Array

Run = Callable[[Mapping[str, Array], Sequence[str]], list[Array]]
"""Runs a network: inputs by name, names of the wanted outputs → arrays that are good until the next run."""

Answer = list[Array] | Exception


@dataclass(frozen=True)
class Call:
    """One request: its input arrays by name, and the outputs that it asks for."""

    inputs: Mapping[str, Array]
    outputs: tuple[str, ...]


def answer_all(calls: Sequence[Call | Exception], run: Run, *, batched: bool) -> list[Answer]:
    """The answer to each call, in their order; an exception among the calls is its own answer.

    `batched`: the first axis of every layer counts rows, which do not depend on one another. Calls whose arrays are
    equal in all other axes are then run as one. Where such a run fails, each of its calls is run alone, so that only
    those fail which would have failed alone. Without `batched` each is run alone from the beginning.
    """
    answers: dict[int, Answer] = {n: call for n, call in enumerate(calls) if isinstance(call, Exception)}
    groups = _groups(calls, batched)
    for members in groups:
        together = [call for index in members if isinstance(call := calls[index], Call)]
        found = _answer_group(together, run if len(groups) == 1 else _kept(run))
        answers.update(zip(members, found, strict=True))
    return [answers[n] for n in range(len(calls))]


def _groups(calls: Sequence[Call | Exception], batched: bool) -> list[list[int]]:
    groups: dict[object, list[int]] = {}
    for index, call in enumerate(calls):
        if isinstance(call, Call):
            groups.setdefault(_shapes(call) if batched else index, []).append(index)
    return list(groups.values())


def _shapes(call: Call) -> object:
    return frozenset((name, array.shape[1:]) for name, array in call.inputs.items())


def _answer_group(calls: Sequence[Call], run: Run) -> list[Answer]:
    if len(calls) == 1:
        return [_answer_one(calls[0], run)]
    try:
        return list(_run_as_one(calls, run))
    except Exception:  # one of them may be to blame, and the others must not pay for it
        return [_answer_one(call, _kept(run)) for call in calls]


def _answer_one(call: Call, run: Run) -> Answer:
    try:
        return run(call.inputs, call.outputs)
    except Exception as error:  # whatever a runtime raises must stay this call's answer
        return error


def _run_as_one(calls: Sequence[Call], run: Run) -> list[list[Array]]:
    names = list(dict.fromkeys(name for call in calls for name in call.outputs))
    inputs = {name: np.concatenate([call.inputs[name] for call in calls]) for name in calls[0].inputs}
    results = dict(zip(names, run(inputs, names), strict=True))
    *starts, total = np.cumsum([0, *(_rows(call) for call in calls)])
    for name, result in results.items():
        if result.shape[:1] != (total,):
            raise ValueError(f"output {name!r} has the shape {result.shape} for a batch of {total} rows")
    parts = [slice(start, start + _rows(call)) for start, call in zip(starts, calls, strict=True)]
    return [[results[name][part] for name in call.outputs] for part, call in zip(parts, calls, strict=True)]


def _rows(call: Call) -> int:
    return len(next(iter(call.inputs.values())))


def _kept(run: Run) -> Run:
    """`run` whose arrays outlive the next run."""
    return lambda inputs, outputs: [array.copy() for array in run(inputs, outputs)]
