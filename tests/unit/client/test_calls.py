"""Calls driven through a made-up world whose clock is the test's: no thread, no socket, no waiting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from seatrial.client.balancer import Balancer
from seatrial.client.batches import Batch
from seatrial.client.calls import LOOK_S, RETRY_BURST, RETRY_SHARE, Calls, Steps
from seatrial.client.grpc_errors import translate
from seatrial.client.news import News
from seatrial.client.routes import Routes, Target
from seatrial.client.sending import SILENT_S
from seatrial.client.steps import Await, CallEvent, Ended, InferResult, Probe, Send, Start, Step, WaitForNews
from seatrial.errors import (
    BadInput,
    DeadlineExceeded,
    Forbidden,
    ManagerUnavailable,
    NotDeployed,
    Overloaded,
    SeatrialError,
    ServerFailed,
)
from tests.clients import document, served

X = np.ones((1, 4), np.float32)


def routes(*addresses: str, version: int = 1, layer: str = "x") -> Routes:
    signature = {"inputs": [{"name": layer, "dtype": "FP32", "shape": [-1, 4]}], "outputs": []}
    endpoints = [{"address": address, "weight": 1.0} for address in addresses]
    versions = {str(version): {"model_id": 7, "signature": signature, "endpoints": endpoints}}
    where = {"production": version, "staging": None, "versions": versions}
    return Routes({"models": {"tiny": {"capture": {"share": 0, "per_minute": 0}, "environments": {"local": where}}}})


Answer = tuple[float, SeatrialError | None]
"""After how long a server answers, and with which error."""


def gone(address: str) -> Answer:
    return 0.001, translate("UNAVAILABLE", "connection refused", address)


@dataclass
class World:
    """Servers by address, each a function of the moment; `changes`: what discovery says from a moment on."""

    servers: dict[str, Callable[[float], Answer]]
    news: News = field(default_factory=lambda: News(1, routes("a", "b")))
    changes: list[tuple[float, News]] = field(default_factory=list)
    now: float = 0.0
    sent: list[str] = field(default_factory=list)
    ended: list[tuple[float, Ended]] = field(default_factory=list)
    given_up: int = 0
    events: list[CallEvent] = field(default_factory=list)

    def calls(self, **options: Any) -> Calls:
        return Calls(self, timeout_s=10.0, clock=lambda: self.now, balancer=Balancer(seed=4), **options)

    def drive(self, calls: Calls, steps: Steps) -> InferResult:
        step: Step = next(steps)
        self.ended = []
        try:
            while True:
                step = self._one(calls, steps, step)
        except StopIteration as end:
            found: InferResult = end.value
            return found
        finally:
            steps.close()
            self.given_up += len(self.ended)

    def infer(self, calls: Calls, timeout_s: float = 10.0, **layers: Any) -> InferResult:
        return self.drive(calls, calls.call(Target("tiny"), layers or {"x": X}, timeout_s))

    def _one(self, calls: Calls, steps: Steps, step: Step) -> Step:
        if isinstance(step, Send):
            after_s, ended = self._answer(step)
            self._pass(after_s)
            return steps.throw(ended.error) if ended.error else steps.send(ended.outputs)
        if isinstance(step, Start):
            after_s, ended = self._answer(step)
            self.ended = sorted([*self.ended, (self.now + after_s, ended)], key=lambda one: one[0])
        elif isinstance(step, Await):
            return steps.send(self._next(step.timeout_s))
        elif isinstance(step, Probe):
            calls.balancer.ready(step.address, self.now, self.servers[step.address](self.now)[1] is None)
        elif isinstance(step, WaitForNews):
            self._wait(step)
        return steps.send(None)

    def _answer(self, step: Send | Start) -> tuple[float, Ended]:
        self.sent.append(step.address)
        after_s, error = self.servers[step.address](self.now)
        if after_s >= step.timeout_s:
            after_s, error = step.timeout_s, translate("DEADLINE_EXCEEDED", "Deadline Exceeded", step.address)
        return after_s, Ended(step.address, None if error else {"y": X}, error)

    def _next(self, timeout_s: float | None) -> Ended | None:
        at, ended = self.ended[0]
        if timeout_s is not None and at > self.now + timeout_s:
            self._pass(timeout_s)
            return None
        self.ended.pop(0)
        self._pass(max(0.0, at - self.now))
        return ended

    def _wait(self, step: WaitForNews) -> None:
        until = self.now + step.timeout_s
        coming = [at for at, _ in self.changes if self.now < at <= until]
        self._pass((min(coming) if coming else until) - self.now)

    def _pass(self, seconds: float) -> None:
        self.now += seconds
        for at, news in self.changes:
            if at <= self.now:
                self.news = news


def well(_now: float) -> Answer:
    return 0.01, None


def warmed(world: World, **options: Any) -> Calls:
    """Calls that know how long each server usually takes."""
    calls = world.calls(**options)
    for _ in range(20):
        world.infer(calls)
    world.sent.clear()
    return calls


def test_a_server_that_is_gone_is_replaced_by_another_within_the_call() -> None:
    world = World({"a": lambda _: gone("a"), "b": well})
    calls = world.calls()
    assert {world.infer(calls).endpoint for _ in range(20)} == {"b"}
    assert world.sent.count("a") == 1


def test_every_call_ends_by_its_deadline_whatever_the_servers_do() -> None:
    world = World({"a": lambda _: gone("a"), "b": lambda _: (1e9, None)})
    calls = world.calls()
    for timeout_s in (0.2, 1.0, 5.0, 10.0):
        began = world.now
        with pytest.raises(SeatrialError):
            world.infer(calls, timeout_s)
        assert world.now - began <= timeout_s + 0.01


def test_a_call_waits_for_the_server_that_replaces_the_last_one() -> None:
    world = World({"a": lambda _: gone("a"), "c": well}, News(1, routes("a")))
    world.changes = [(2.0, News(2, Routes({"models": {"tiny": {**_NOWHERE}}}))), (3.0, News(3, routes("c")))]
    assert world.infer(world.calls()).endpoint == "c"
    assert world.now == pytest.approx(3.0, abs=2 * LOOK_S)


def test_a_call_waits_for_the_last_server_to_say_that_it_is_ready_again() -> None:
    world = World({"a": lambda now: gone("a") if now < 2 else (0.01, None)}, News(1, routes("a")))
    assert world.infer(world.calls()).endpoint == "a"
    assert world.now < 4
    assert len(world.sent) == 2


def test_a_server_that_says_that_it_is_ready_again_gets_calls_while_another_answers() -> None:
    world = World({"a": lambda now: gone("a") if now < 1 else (0.01, None), "b": well})
    calls = world.calls()
    while world.now < 5:
        world.infer(calls)
    assert Counter(world.sent[-100:])["a"] == pytest.approx(50, abs=25)


def test_a_server_that_falls_silent_costs_its_calls_seconds_and_later_ones_nothing() -> None:
    silent_from = [1e9]
    world = World({"a": lambda now: (1e9 if now >= silent_from[0] else 0.01, None), "b": well})
    calls = warmed(world)
    silent_from[0] = world.now
    while "a" not in world.sent:
        began = world.now
        assert world.infer(calls).endpoint == "b"
    assert world.now - began == pytest.approx(SILENT_S, abs=0.1)
    world.sent.clear()
    for _ in range(20):
        world.infer(calls)
    assert set(world.sent) == {"b"}


def test_the_first_call_to_a_silent_server_is_answered_by_another_and_given_up() -> None:
    world = World({"a": lambda _: (1e9, None), "b": well})
    calls = world.calls()
    for _ in range(10):
        assert world.infer(calls).endpoint == "b"
    assert world.given_up == world.sent.count("a") == 1


def test_a_slow_model_is_waited_for_and_not_sent_twice_for_ever() -> None:
    world = World({"a": lambda _: (3.0, None), "b": lambda _: (3.0, None)})
    calls = warmed(world)
    for _ in range(10):
        world.infer(calls)
    assert len(world.sent) == 10


@pytest.mark.parametrize("code", ["INVALID_ARGUMENT", "INTERNAL", "UNKNOWN", "RESOURCE_EXHAUSTED"])
def test_what_a_server_said_of_the_request_is_not_asked_of_another(code: str) -> None:
    world = World(dict.fromkeys("ab", lambda _: (0.01, translate(code, "no", "?"))))
    with pytest.raises(SeatrialError):
        world.infer(world.calls())
    assert len(world.sent) == 1


def test_overload_is_said_at_once() -> None:
    full = translate("UNAVAILABLE", "Exceeds maximum queue size", "a")
    world = World(dict.fromkeys("ab", lambda _: (0.001, full)))
    with pytest.raises(Overloaded):
        world.infer(world.calls())
    assert world.now < 0.01


def test_retries_do_not_multiply_an_outage() -> None:
    up_to = [1e9]
    world = World(dict.fromkeys("ab", lambda now: (0.01, None) if now < up_to[0] else gone("?")))
    calls = warmed(world)
    up_to[0], count = world.now, 1000
    for _ in range(count):
        with suppress(ServerFailed):
            world.infer(calls, 0.3)
    assert len(world.sent) <= count * 1.2 + RETRY_BURST


def test_answers_earn_retries_after_an_outage_has_spent_them() -> None:
    down = [True]
    world = World(dict.fromkeys("ab", lambda _: gone("?") if down[0] else (0.01, None)))
    calls = world.calls()
    for _ in range(int(2 * RETRY_BURST)):
        with suppress(ServerFailed):
            world.infer(calls, 0.3)
    down[0] = False
    for _ in range(int(1 / RETRY_SHARE)):
        world.infer(calls)
    down[0] = True
    world.sent.clear()
    with pytest.raises(ServerFailed):
        world.infer(calls, 0.3)
    assert len(world.sent) == 2


def test_a_version_with_other_layers_in_the_middle_of_a_call_is_bad_input() -> None:
    world = World({"a": lambda _: gone("a"), "b": well}, News(1, routes("a")))
    world.changes = [(0.0005, News(2, routes("b", version=2, layer="z")))]
    with pytest.raises(BadInput, match="'x'") as caught:
        world.infer(world.calls())
    assert caught.value.fields["tried"][0]["address"] == "a"
    assert world.sent == ["a"]


def test_a_version_with_the_same_layers_in_the_middle_of_a_call_answers() -> None:
    world = World({"a": lambda _: gone("a"), "b": well}, News(1, routes("a")))
    world.changes = [(0.0005, News(2, routes("b", version=2)))]
    assert world.infer(world.calls()).version == 2


def test_a_first_call_waits_for_the_manager_within_its_time() -> None:
    away = News(1, None, ManagerUnavailable("does not answer"))
    world = World({"a": well, "b": well}, away, [(3.0, News(2, routes("a")))])
    with pytest.raises(ManagerUnavailable, match="does not answer"):
        world.infer(world.calls(), 1.0)
    assert world.now == pytest.approx(1.0)
    assert world.infer(world.calls(), 5.0).endpoint == "a"


def test_a_wrong_token_is_said_at_once() -> None:
    world = World({}, News(1, None, Forbidden("wrong token")))
    with pytest.raises(Forbidden):
        world.infer(world.calls())
    assert world.now == 0


def test_a_hedge_asks_one_more_server_and_takes_the_first_answer() -> None:
    slow = [False]
    world = World({"a": lambda _: (1.0 if slow[0] else 0.01, None), "b": well})
    calls = warmed(world, hedge_after_s=0.05, watching=lambda: True, told=world.events.append)
    slow[0] = True
    while "a" not in world.sent:
        began = world.now
        assert world.infer(calls).endpoint == "b"
    assert world.now - began == pytest.approx(0.06)
    assert world.given_up == 1
    assert world.events[-1].hedged
    assert "a: given up after 60.0 ms" in str(world.events[-1])


def test_hedges_have_a_budget() -> None:
    world = World(dict.fromkeys("ab", lambda _: (0.5, None)))
    calls = world.calls(hedge_after_s=0.05)
    for _ in range(1000):
        world.infer(calls)
    assert len(world.sent) <= 1000 * 1.05 + 10


def test_a_hedge_whose_first_server_is_gone_needs_no_second_one_to_wait() -> None:
    world = World({"a": lambda _: gone("a"), "b": well})
    calls = world.calls(hedge_after_s=5.0)
    assert {world.infer(calls).endpoint for _ in range(5)} == {"b"}
    assert world.now < 0.2


def test_what_was_tried_where_is_part_of_the_error() -> None:
    world = World({"a": lambda _: gone("a"), "b": lambda _: gone("b")})
    with pytest.raises(ServerFailed) as caught:
        world.infer(world.calls(), 1.0)
    assert {one["address"] for one in caught.value.fields["tried"]} == {"a", "b"}
    assert all(text in str(caught.value) for text in ("a: connection refused", "b: connection refused", "ms"))


def test_whoever_watches_is_told_of_each_call_with_its_attempts() -> None:
    world = World({"a": lambda _: gone("a"), "b": well})
    calls = world.calls(watching=lambda: True, told=world.events.append)
    for _ in range(5):
        world.infer(calls)
    with pytest.raises(BadInput):
        world.infer(calls, z=X)
    *answered, refused = world.events
    assert Counter(len(event.attempts) for event in answered) == {1: 4, 2: 1}
    assert "tiny@1: answered by b" in str(answered[0])
    assert isinstance(refused.error, BadInput)
    assert refused.attempts == ()


def test_a_call_that_is_closed_early_leaves_nothing_outstanding() -> None:
    world = World({"a": well, "b": well})
    calls = warmed(world)
    steps = calls.call(Target("tiny"), {"x": X}, 1.0)
    while not isinstance(next(steps), Send):
        pass
    steps.close()
    states = calls.balancer.states(world.news.routes.find(Target("tiny")).endpoints)  # type: ignore[union-attr]
    assert [state.outstanding for state in states] == [0, 0]


def test_a_model_that_runs_nowhere_is_said_at_once() -> None:
    world = World({}, News(1, Routes({"models": {"tiny": _NOWHERE}})))
    with pytest.raises(NotDeployed):
        world.infer(world.calls())
    assert world.now == 0


def test_a_deadline_that_passes_is_deadline_exceeded() -> None:
    world = World({"a": lambda _: (1e9, None)}, News(1, routes("a")))
    with pytest.raises(DeadlineExceeded):
        world.infer(world.calls(), 0.5)
    assert world.now == pytest.approx(0.5)


_NOWHERE: dict[str, Any] = {"capture": {"share": 0, "per_minute": 0}, "environments": {}}


def batch_of(calls: Calls, rows: int, timeout_s: float) -> Batch:
    """A batch of requests of one row each, of a model that discovery knows already: nothing is waited for."""
    with pytest.raises(StopIteration) as end:
        next(calls.batch(Target("tiny"), {"x": np.repeat(X, rows, axis=0)}, 1, timeout_s))
    found: Batch = end.value.value
    return found


def test_the_pieces_of_a_batch_are_answered_by_the_version_that_it_began_with() -> None:
    served_both = {1: served("a"), 2: served("b", model_id=8)}
    world = World({"a": lambda _: (0.1, None)}, News(1, Routes(document(served_both, production=1))))
    calls = world.calls()
    batch = batch_of(calls, rows=2, timeout_s=10)
    world.news = News(2, Routes(document(served_both, production=2)))
    assert [world.drive(calls, calls.piece(batch, piece)).version for piece in batch.pieces] == [1, 1]


def test_a_piece_has_what_is_left_of_the_batchs_time() -> None:
    world = World({"a": lambda _: (0.4, None), "b": lambda _: (0.4, None)})
    calls = world.calls()
    batch = batch_of(calls, rows=3, timeout_s=1.0)
    for piece in batch.pieces[:2]:
        world.drive(calls, calls.piece(batch, piece))
    with pytest.raises(DeadlineExceeded):
        world.drive(calls, calls.piece(batch, batch.pieces[2]))
    assert world.now == pytest.approx(1.0)
