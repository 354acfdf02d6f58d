"""Several requests as one call of the runtime: same answers as alone, and nobody pays for another's fault."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from seatrial.serving.runtime.arrays import Array
from seatrial.serving.runtime.batching import Call, answer_all

BAD = -1.0


class Network:
    """`sum` and `double` of each row of x and z, in buffers of its own that the next run writes over; it refuses a
    batch with a BAD value in it. `rows` remembers how many rows each run had, `asked` which outputs."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.asked: list[list[str]] = []
        self._buffers: dict[str, Array] = {}

    def run(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        x, z = inputs["x"], inputs["z"]
        self.rows.append(len(x))
        self.asked.append(list(outputs))
        if (x == BAD).any():
            raise ValueError("a BAD value")
        results = {"sum": x.sum(axis=1, keepdims=True) + z, "double": 2 * x}
        for buffer in self._buffers.values():
            buffer.fill(np.nan)
        self._buffers = {name: results[name] for name in outputs}
        return [results[name] for name in outputs]


OUTPUTS = st.sampled_from([("sum",), ("double",), ("sum", "double"), ("double", "sum")])
CALLS = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3), OUTPUTS, st.booleans()), min_size=1, max_size=8)


def call(seed: int, rows: int, width: int, outputs: tuple[str, ...], bad: bool) -> Call:
    x = np.random.default_rng(seed).random((rows, width))
    if bad:
        x[0, 0] = BAD
    return Call({"x": x, "z": np.full((rows, 1), float(seed))}, outputs)


@given(CALLS, st.booleans())
def test_every_call_is_answered_as_if_it_were_alone(
    shapes: list[tuple[int, int, tuple[str, ...], bool]], batched: bool
) -> None:
    calls = [call(seed, *shape) for seed, shape in enumerate(shapes)]
    answers = answer_all(calls, Network().run, batched=batched)
    assert len(answers) == len(calls)
    for (_, _, outputs, bad), asked, answer in zip(shapes, calls, answers, strict=True):
        if bad:
            assert isinstance(answer, ValueError)
            continue
        assert isinstance(answer, list), answer
        alone = Network().run(asked.inputs, outputs)
        assert len(answer) == len(alone)
        assert [found.tolist() for found in answer] == [wanted.tolist() for wanted in alone]


@given(st.lists(st.integers(1, 4), min_size=1, max_size=6))
def test_calls_of_equal_shapes_are_one_run_and_without_batching_one_each(rows: list[int]) -> None:
    calls = [call(seed, count, 2, ("sum",), False) for seed, count in enumerate(rows)]
    network = Network()
    answer_all(calls, network.run, batched=True)
    assert network.rows == [sum(rows)]
    network = Network()
    answer_all(calls, network.run, batched=False)
    assert network.rows == rows


def test_only_calls_of_equal_shapes_are_joined() -> None:
    network = Network()
    answer_all([call(n, 1, width, ("sum",), False) for n, width in enumerate([2, 3, 2])], network.run, batched=True)
    assert network.rows == [2, 1]


def test_only_outputs_that_somebody_asks_for_are_computed() -> None:
    network = Network()
    answer_all([call(n, 1, 2, ("double",), False) for n in range(3)], network.run, batched=True)
    assert network.asked == [["double"]]


def test_a_batch_that_fails_is_run_again_one_by_one() -> None:
    network = Network()
    calls = [call(0, 1, 2, ("sum",), False), call(1, 2, 2, ("sum",), True), call(2, 3, 2, ("sum",), False)]
    answers = answer_all(calls, network.run, batched=True)
    assert network.rows == [6, 1, 2, 3]
    assert isinstance(answers[1], ValueError)
    for asked, answer in ((calls[0], answers[0]), (calls[2], answers[2])):
        assert isinstance(answer, list)
        assert np.array_equal(answer[0], Network().run(asked.inputs, asked.outputs)[0]), "no later run wrote over it"


def test_a_network_that_does_not_keep_the_rows_is_asked_one_by_one() -> None:
    def mean(inputs: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        return [inputs["x"].mean(axis=0, keepdims=True)]

    calls = [Call({"x": np.full((1, 2), float(n))}, ("mean",)) for n in range(3)]
    answers = answer_all(calls, mean, batched=True)
    assert [answer[0][0, 0] for answer in answers if isinstance(answer, list)] == [0.0, 1.0, 2.0]


def test_a_request_that_could_not_be_read_is_answered_with_its_own_error() -> None:
    network = Network()
    unread = UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")
    answers = answer_all([call(0, 1, 2, ("sum",), False), unread], network.run, batched=True)
    assert answers[1] is unread
    assert isinstance(answers[0], list)


def test_one_run_is_answered_without_a_copy() -> None:
    result = np.arange(4.0).reshape(4, 1)

    def fixed(inputs: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        return [result]

    calls = [Call({"x": np.zeros((rows, 1))}, ("y",)) for rows in (1, 3)]
    answers = answer_all(calls, fixed, batched=True)
    assert all(isinstance(answer, list) and np.shares_memory(answer[0], result) for answer in answers)
