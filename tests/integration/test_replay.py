"""A comparison when things go badly, against real gRPC servers that do as they are told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from threading import Event
from typing import Any

import numpy as np
import pytest

from seatrial.client.transport import GrpcTransport
from seatrial.errors import NotDeployed
from seatrial.shadow.burden import Burden
from seatrial.shadow.limits import Limits, limits_for
from seatrial.shadow.replay import Replay
from seatrial.shadow.report import ShadowReport, Subject
from seatrial.shadow.sides import Request, Side
from seatrial.tensors import Array, Tensors
from seatrial.waiting import Deadline
from tests.standins.inference_server import Function, InferenceServer, Status, double

LIMITS = limits_for({"latency_ratio": 1000.0, "max_requests": 1500})
REQUESTS = [Request(f"r-{n}", "sample", {"x": np.full((1, 4), n, np.float32)}) for n in range(1, 21)]
BURDEN = Burden(share=1.0, latency_ms=5000, percentile=99)


@pytest.fixture
def serve() -> Iterator[Callable[[Function], InferenceServer]]:
    with ExitStack() as stack:

        def start(function: Function) -> InferenceServer:
            server = InferenceServer(function)
            stack.enter_context(server)
            return server

        yield start


def at(server: InferenceServer, version: int) -> Callable[[], Side]:
    return lambda: Side(server.address, "tiny", version)


def compared(
    production: Callable[[], Side],
    staging: Callable[[], Side],
    *,
    limits: Limits = LIMITS,
    burden: Burden = BURDEN,
    requests: list[Request] = REQUESTS,
    before: ShadowReport | None = None,
    said: list[str] | None = None,
) -> ShadowReport:
    subject = Subject(model="tiny", staging=2, production=1, reference=None)
    told = [] if said is None else said
    replay = Replay(production, staging, limits, burden, subject=subject, progress=told.append, before=before)
    return replay.extend(requests, Deadline.after(120))


def verdicts(report: ShadowReport) -> dict[str, str]:
    return {part.name: part.verdict for part in report.parts}


def test_a_server_that_ends_once_is_replaced_and_decides_nothing(serve: Any) -> None:
    first, second = serve(double), serve(double)
    ends = serve(_ends_after(30))
    places = iter([at(ends, 2), at(second, 2)])
    said: list[str] = []
    report = compared(at(first, 1), lambda: next(places)(), said=said)
    assert report.verdict == "PASS", report.sentence
    assert sum(line.startswith("staging: ") for line in said) == 1


def test_a_version_whose_server_ends_again_and_again_fails_and_the_request_is_named(serve: Any) -> None:
    first = serve(double)

    def next_one() -> Side:
        return at(serve(_ends_after(10)), 2)()

    report = compared(at(first, 1), next_one)
    assert (report.verdict, verdicts(report)["servers"]) == ("FAIL", "FAIL")
    assert "Staging's server ended 3 times, last under r-" in report.sentence


def test_a_version_that_gets_no_server_any_more_fails(serve: Any) -> None:
    first = serve(double)
    ends = serve(_ends_after(30))
    report = compared(at(first, 1), _once(at(ends, 2)))
    assert report.verdict == "FAIL"
    assert "none came: no server" in report.sentence


def test_production_without_a_server_decides_nothing_and_what_was_compared_is_kept(serve: Any) -> None:
    second = serve(double)
    ends = serve(_ends_after(60))
    report = compared(_once(at(ends, 1)), at(second, 2))
    assert (report.verdict, verdicts(report)["burden"]) == ("UNDECIDED", "UNDECIDED")
    assert report.counts.sent > 10
    later = compared(at(serve(double), 1), at(second, 2), before=report)
    assert later.verdict == "PASS"
    assert later.requests.outcomes.startswith(report.requests.outcomes)


def test_what_production_refuses_too_is_no_evidence_of_anything(serve: Any) -> None:
    def refuses(tensors: dict[str, Array]) -> Tensors:
        raise Status("INVALID_ARGUMENT", "unexpected shape")

    report = compared(at(serve(refuses), 1), at(serve(refuses), 2))
    assert report.verdict == "UNDECIDED"
    assert verdicts(report)["errors"] == "UNDECIDED"


def test_production_is_left_alone_when_nothing_is_unknown_but_how_often_staging_fails(serve: Any) -> None:
    asked = []

    def counts(tensors: dict[str, Array]) -> Tensors:
        asked.append(1)
        return double(tensors)

    report = compared(at(serve(counts), 1), at(serve(double), 2))
    assert report.verdict == "PASS", report.sentence
    assert report.requests.outcomes.lstrip(".") == "s" * report.requests.outcomes.count("s")
    assert report.requests.outcomes.count("s") > 500
    assert len(asked) == 1 + 2 * report.requests.outcomes.count("."), "and one to begin with"


def test_a_failure_of_staging_alone_fails_it_and_is_shown_with_what_the_server_said(serve: Any) -> None:
    left = [2000]

    def later(tensors: dict[str, Array]) -> Tensors:
        """Fails for one request of twenty, after the tensors are decided."""
        left[0] -= 1
        if left[0] < 700 and tensors["x"][0, 0] == 17:
            raise Status("INTERNAL", "no memory for 17")
        return double(tensors)

    report = compared(at(serve(double), 1), at(serve(later), 2))
    assert verdicts(report)["tensors"] == "PASS"
    assert (report.verdict, verdicts(report)["errors"]) == ("FAIL", "FAIL")
    (shown,) = report.first_offending
    assert (shown.request, shown.flaw) == ("r-17", "failed")
    assert "no memory for 17" in shown.got
    assert report.requests.outcomes[shown.number - 1] == "f"


def test_without_requests_nothing_passes(serve: Any) -> None:
    assert compared(at(serve(double), 1), at(serve(double), 2), requests=[]).verdict == "UNDECIDED"


def test_a_version_that_fails_every_request_is_not_asked_for_long(serve: Any) -> None:
    def fails(tensors: dict[str, Array]) -> Tensors:
        raise Status("INTERNAL", "no memory")

    server = serve(fails)
    report = compared(at(serve(double), 1), at(server, 2))
    assert report.verdict == "FAIL"
    assert report.counts.sent <= 5


def test_a_version_that_hangs_fails_after_a_few_requests(serve: Any) -> None:
    with InferenceServer(double, service_s=1000.0) as hangs:
        burden = Burden(share=1.0, latency_ms=100, percentile=99)  # so that 2 s are waited for an answer
        report = compared(at(serve(double), 1), lambda: Side(hangs, "tiny", 2), burden=burden)
    assert (report.verdict, verdicts(report)["errors"]) == ("FAIL", "FAIL")
    assert report.counts.sent <= 5


@pytest.mark.parametrize(
    ("answer", "flaw"),
    [
        (lambda x: x * np.float32(2.01), "values"),
        (lambda x: np.where(x == 3, np.float32(np.nan), x * 2), "NaN or Inf"),
        (lambda x: (x * 2)[:, :3], "shape"),
        (lambda x: (x * 2).astype(np.float64), "dtype"),
    ],
    ids=["other values", "NaN for one request of twenty", "shape", "dtype"],
)
def test_each_way_to_answer_otherwise_has_its_name_and_request(
    serve: Any, answer: Callable[[Array], Array], flaw: str
) -> None:
    candidate = serve(lambda tensors: {"y": answer(tensors["x"])})
    report = compared(at(serve(double), 1), at(candidate, 2))
    assert (report.verdict, verdicts(report)["tensors"]) == ("FAIL", "FAIL")
    first = report.first_offending[0]
    assert (first.layer, first.flaw) == ("y", flaw)
    assert list(report.requests.sources)[report.requests.which[first.number - 1]] == first.request


def test_what_varies_in_production_itself_is_noise(serve: Any) -> None:
    random = np.random.default_rng(5)

    def varies(tensors: dict[str, Array]) -> Tensors:
        return {"y": tensors["x"] * np.float32(2 if random.random() > 0.05 else 2.1)}

    report = compared(
        at(serve(varies), 1), at(serve(varies), 2), limits=LIMITS.model_copy(update={"max_requests": 3000})
    )
    assert report.verdict != "FAIL", report.sentence
    assert report.requests.outcomes.count("a") > 0


def test_production_that_answers_late_is_left_alone(serve: Any) -> None:
    slow = InferenceServer(double, service_s=0.02)
    with slow:
        report = compared(at(slow, 1), at(serve(double), 2), burden=Burden(share=1.0, latency_ms=10, percentile=99))
    assert verdicts(report)["burden"] == "UNDECIDED"
    assert report.counts.sent < 10
    assert "later than the 10 ms it promises" in report.sentence


def test_a_slower_version_is_not_as_quick_because_production_has_clients_that_it_waits_for(serve: Any) -> None:
    with InferenceServer(double, service_s=0.005) as production, InferenceServer(double, service_s=0.007) as slower:
        with calling(production, clients=2, pause_s=0.004):
            report = compared(
                lambda: Side(production, "tiny", 1),
                lambda: Side(slower, "tiny", 2),
                limits=limits_for({"latency_ratio": 1.1, "max_requests": 3000}),
            )
    assert report.latency_ms["production"]["p50"] > report.latency_ms["staging"]["p50"], "it does look quicker"
    assert verdicts(report)["latency"] == "FAIL", report.sentence


def test_the_same_report_is_the_same_verdict(serve: Any) -> None:
    report = compared(at(serve(double), 1), at(serve(double), 2))
    again = ShadowReport.model_validate_json(report.model_dump_json())
    assert again == report


@contextmanager
def calling(address: str, *, clients: int, pause_s: float) -> Iterator[None]:
    """So many clients call the server meanwhile, each again after a pause that is exponentially distributed."""
    stop = Event()

    def call(seed: int) -> None:
        random = np.random.default_rng(seed)
        with GrpcTransport() as transport:
            while not stop.wait(random.exponential(pause_s)):
                transport.infer(address, "tiny", 1, REQUESTS[0].inputs, 10.0)

    with ThreadPoolExecutor() as pool:
        running = [pool.submit(call, seed) for seed in range(clients)]
        try:
            yield
        finally:
            stop.set()
    for one in running:
        one.result()


def _ends_after(answers: int) -> Function:
    """Doubles so many times, then answers as a server does that is gone."""
    left = [answers]

    def function(tensors: dict[str, Array]) -> Tensors:
        left[0] -= 1
        if left[0] < 0:
            raise Status("UNAVAILABLE", "the server is gone")
        return double(tensors)

    return function


def _once(find: Callable[[], Side]) -> Callable[[], Side]:
    """The first time; then there is no server."""
    found = [find]

    def again() -> Side:
        if not found:
            raise NotDeployed("no server")
        return found.pop()()

    return again
