"""What a comparison has gathered, request by request, and the verdict on it (pure)."""

from __future__ import annotations

from collections.abc import Sequence

from seatrial.shadow.burden import Burden
from seatrial.shadow.comparison import compare_tensors
from seatrial.shadow.differences import Differences
from seatrial.shadow.distribution import Spread
from seatrial.shadow.finding import TensorComparison
from seatrial.shadow.limits import Limits
from seatrial.shadow.noise import how_it_varies
from seatrial.shadow.record import Outcome, Record
from seatrial.shadow.report import Counts, LayerSummary, Offence, Part, ShadowReport, Subject
from seatrial.shadow.sides import Answer, Answers, Request
from seatrial.shadow.verdict import (
    distribution_part,
    errors_part,
    latency_part,
    objective_part,
    sentence_of,
    tensors_part,
    traffic_part,
    worst,
)
from seatrial.tensors import Tensors

CHECK_EVERY = 50  # requests between two looks at the verdict
SHOWN_OFFENCES = 10
LONGEST_FAILURE = 200  # characters of what a server said


class Gathered:
    """With `before`, an undecided report of the same versions and limits, it goes on where that one ended. Without a
    Production version in `subject` the answers are compared with a reference, which has no noise and no latency."""

    def __init__(
        self, subject: Subject, limits: Limits, burden: Burden, *, before: ShadowReport | None = None, seed: int = 1
    ) -> None:
        self._subject, self._limits, self._burden, self._seed = subject, limits, burden, seed
        self._noise = subject.production is not None
        self.record = Record(before.requests if before else None)
        self._spread = Spread(before.distribution if before else None)
        self._layers = {layer.layer: layer for layer in before.layers} if before else {}
        self._differences = dict(before.differences) if before else {}
        self._offences = list(before.first_offending) if before else []
        self._latency: tuple[int, Part] | None = None

    def add(self, request: Request, answers: Answers) -> None:
        """What both sides said to a request. A side that failed one of the two times has failed."""
        base, candidate = answers.base, answers.candidate
        if self._noise and (answers.again is None or answers.candidate_again is None):
            base = base if answers.again else None
            candidate = candidate if answers.candidate_again else None
        outcome: Outcome = "f"
        if base is not None and candidate is not None:
            again = answers.again.outputs if answers.again else None
            outcome = self._compare(request, base.outputs, candidate.outputs, again)
        self._note_failure(request, base, answers.failure)
        again_s = (_seconds(answers.again), _seconds(answers.candidate_again))
        base_s = _seconds(base) if self._noise else None
        undisturbed = (
            _undisturbed(answers.base, answers.candidate),
            _undisturbed(answers.again, answers.candidate_again),
        )
        self.record.add(request.id, request.source, base_s, _seconds(candidate), outcome, again_s, undisturbed)

    def add_only_staging(self, request: Request, answers: Answers) -> None:
        """What Staging said to a request that Production was asked only because Staging failed."""
        self._note_failure(request, answers.base, answers.failure)
        outcome: Outcome = "f" if answers.candidate is None else "s"
        self.record.add(request.id, request.source, _seconds(answers.base), _seconds(answers.candidate), outcome)

    @property
    def exhausted(self) -> bool:
        """Whether `max_requests` were sent: more traffic cannot change the verdict any more."""
        return self.record.sent >= self._limits.max_requests

    @property
    def burden_touched(self) -> str:
        """Why Production should be left alone, in words; empty while there is no reason."""
        return self._burden.touched(self.record.production_ms) if self._noise else ""

    @property
    def hopeless(self) -> bool:
        """Whether the last request failed, and too many have: a server that hangs is not asked fifty times."""
        return self.record.outcomes[-1:] == ["f"] and self._errors().verdict == "FAIL"

    def parts(self, stopped: Part | None = None) -> tuple[Part, ...]:
        record, limits, noise = self.record, self._limits, self._noise
        speed = self._latency_part() if noise else objective_part(record, self._burden.latency_ms)
        found = (
            tensors_part(record, limits, noise=noise),
            distribution_part(self._spread.histograms, record.compared, limits),
            self._errors(),
            speed,
            traffic_part(record, limits) if noise and limits.live_share > 0 else None,
            stopped,
        )
        return tuple(part for part in found if part is not None)

    def report(self, seconds: float, stopped: Part | None = None) -> ShadowReport:
        """`seconds`: how long requests were sent. `stopped`: why no more were, if there is a reason beside the rest."""
        parts, sources = self.parts(stopped), list(self.record.sources.values())
        counts = Counts(
            live=sources.count("capture"),
            samples=sources.count("sample"),
            sent=self.record.sent,
            alone=self.record.outcomes.count("s"),
        )
        return ShadowReport(
            **self._subject.model_dump(),
            verdict=worst(parts),
            sentence=sentence_of(parts, self._subject.against),
            parts=parts,
            counts=counts,
            layers=tuple(self._layers.values()),
            latency_ms=self.record.percentiles(noise=self._noise),
            first_offending=tuple(self._offences),
            limits=self._limits,
            seed=self._seed,
            seconds=round(seconds, 2),
            requests=self.record.requests,
            distribution=self._spread.histograms,
            differences=self._differences,
        )

    def _latency_part(self) -> Part:
        """Made anew only of more pairs: its interval is most of what a look at the verdict costs."""
        pairs = len(self.record.pairs_s)
        if self._latency is None or self._latency[0] != pairs:
            self._latency = pairs, latency_part(self.record, self._limits, seed=self._seed)
        return self._latency[1]

    def _errors(self) -> Part:
        return errors_part(self.record, self._limits, noise=self._noise)

    def _compare(self, request: Request, base: Tensors, candidate: Tensors, again: Tensors | None) -> Outcome:
        found = compare_tensors(base, candidate, self._limits)
        own = () if again is None else compare_tensors(base, again, self._limits)
        self._spread.add(base, base if again is None else again, candidate)
        for layer in found:
            self._differences[layer.layer] = self._difference(layer).with_staging(layer.difference)
            self._layers[layer.layer] = _added(self._layers.get(layer.layer), layer)
            if not layer.passed and self._is_news(request, layer.layer):
                self._offences.append(_offence(self.record.sent + 1, request, layer))
        for layer in own:
            self._differences[layer.layer] = self._difference(layer).with_own(layer.difference)
            known = self._layers.get(layer.layer)
            if not layer.passed and known is not None and again is not None:
                self._layers[layer.layer] = _noisier(known, base, again, self._limits)
        differs, noisy = (any(not layer.passed for layer in side) for side in (found, own))
        if differs:
            return "2" if noisy else "b"
        return "a" if noisy else "."

    def _note_failure(self, request: Request, base: Answer | None, failure: str) -> None:
        if failure and base is not None and self._is_news(request, ""):
            self._offences.append(
                Offence(
                    number=self.record.sent + 1,
                    request=request.id,
                    source=request.source,
                    layer="",
                    flaw="failed",
                    index=None,
                    expected="an answer",
                    got=failure[:LONGEST_FAILURE],
                )
            )

    def _is_news(self, request: Request, layer: str) -> bool:
        """A request that is sent again and again is shown once."""
        known = {(offence.request, offence.layer) for offence in self._offences}
        return len(known) < SHOWN_OFFENCES and (request.id, layer) not in known

    def _difference(self, layer: TensorComparison) -> Differences:
        return self._differences.get(layer.layer, Differences())


def _seconds(answer: Answer | None) -> float | None:
    return answer.seconds if answer else None


def _undisturbed(production: Answer | None, staging: Answer | None) -> bool:
    return production is not None and staging is not None and production.undisturbed and staging.undisturbed


def settled(parts: Sequence[Part]) -> bool:
    """Whether sending the same requests again can change nothing."""
    return worst([part for part in parts if part.name != "traffic"]) != "UNDECIDED"


def lacks_failures_only(parts: Sequence[Part], record: Record) -> bool:
    """Whether nothing is unknown but how often Staging fails, so that it may be asked alone: all else but the traffic
    is decided, and Production has never failed."""
    lacking = {part.name for part in parts if part.verdict == "UNDECIDED"} - {"traffic"}
    return lacking == {"errors"} and record.failures.noise_only + record.failures.both == 0


def _added(before: LayerSummary | None, found: TensorComparison) -> LayerSummary:
    finite = min(found.max_abs, 1e308), min(found.max_rel, 1e308)  # JSON has no infinity
    known = before or LayerSummary(layer=found.layer, mismatches=0, max_abs=0.0, max_rel=0.0, lowest_share=1.0)
    return known.model_copy(
        update={
            "mismatches": known.mismatches + (not found.passed),
            "max_abs": max(known.max_abs, finite[0]),
            "max_rel": max(known.max_rel, finite[1]),
            "lowest_share": min(known.lowest_share, found.share),
        }
    )


def _noisier(layer: LayerSummary, base: Tensors, again: Tensors, limits: Limits) -> LayerSummary:
    """With one more answer in which Production differed from itself."""
    noise = layer.noise or how_it_varies(layer.layer, base, again, limits)
    return layer.model_copy(update={"own": layer.own + 1, "noise": noise})


def _offence(number: int, request: Request, found: TensorComparison) -> Offence:
    return Offence(
        number=number,
        request=request.id,
        source=request.source,
        layer=found.layer,
        flaw=found.flaw,
        index=found.worst_index,
        expected=found.expected,
        got=found.got,
    )
