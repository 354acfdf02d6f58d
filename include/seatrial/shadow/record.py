"""What was replayed, sending by sending: all that a verdict is made of, and enough to go on later (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from seatrial.shadow.sequential import Mismatches

Source = Literal["capture", "sample"]
Outcome = Literal[".", "b", "a", "2", "f", "s"]


class Requests(BaseModel):
    """Distinct requests by id, and in columns each sending of one of them, in its order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sources: dict[str, Source] = Field(
        default={}, description="The distinct requests: their ids, and what each of them is."
    )
    which: tuple[int, ...] = Field(default=(), description="Of each sending: which of the requests, counted from 0.")
    production_ms: tuple[float | None, ...] = Field(
        default=(), description="Production's latency; null where it failed."
    )
    production_again_ms: tuple[float | None, ...] = Field(default=(), description="That of its second answer.")
    staging_ms: tuple[float | None, ...] = Field(default=(), description="Staging's latency; null where it failed.")
    staging_again_ms: tuple[float | None, ...] = Field(default=(), description="That of its second answer.")
    undisturbed: str = Field(
        default="",
        description="A digit a sending: 1 if both servers gave their first answer while they answered nobody else, 2 if"
        " so the second, 3 if both, else 0. Latencies are compared where they were.",
    )
    outcomes: str = Field(
        default="",
        description="A letter a sending: . both answer alike, b only Staging differs, a only Production's second answer"
        " does, 2 both do, f one of them failed, s only Staging was asked and answered.",
    )


class Record:
    """The same while it grows. Latencies in seconds here."""

    def __init__(self, before: Requests | None = None) -> None:
        kept = before or Requests()
        self.sources: dict[str, Source] = dict(kept.sources)
        self._number = {request: number for number, request in enumerate(self.sources)}
        self._which = list(kept.which)
        self._production_ms, self._staging_ms = list(kept.production_ms), list(kept.staging_ms)
        self._again_ms = list(zip(kept.production_again_ms, kept.staging_again_ms, strict=True))
        self._undisturbed = list(kept.undisturbed)
        self.outcomes = list(kept.outcomes)

    def add(
        self,
        request: str,
        source: Source,
        production_s: float | None,
        staging_s: float | None,
        outcome: Outcome,
        again_s: tuple[float | None, float | None] = (None, None),
        undisturbed: tuple[bool, bool] = (False, False),
    ) -> None:
        """One sending. `production_s` is None where Production failed, was not asked, or where there is none.
        `again_s`: how long the second answers of both took. `undisturbed`: whether neither server answered others
        meanwhile, the first time and the second."""
        self.sources.setdefault(request, source)
        self._which.append(self._number.setdefault(request, len(self._number)))
        self._production_ms.append(_ms(production_s))
        self._staging_ms.append(_ms(staging_s))
        self._again_ms.append((_ms(again_s[0]), _ms(again_s[1])))
        self._undisturbed.append(str(undisturbed[0] + 2 * undisturbed[1]))
        self.outcomes.append(outcome)

    @property
    def requests(self) -> Requests:
        return Requests(
            sources=self.sources,
            which=tuple(self._which),
            production_ms=tuple(self._production_ms),
            production_again_ms=tuple(production for production, _ in self._again_ms),
            staging_again_ms=tuple(staging for _, staging in self._again_ms),
            staging_ms=tuple(self._staging_ms),
            undisturbed="".join(self._undisturbed),
            outcomes="".join(self.outcomes),
        )

    @property
    def sent(self) -> int:
        return len(self.outcomes)

    @property
    def compared(self) -> int:
        return self.mismatches.requests

    @property
    def failures(self) -> Mismatches:
        """Of all sendings, those in which only Staging failed, only Production, or both."""
        failed = [
            (production is None, staging is None)
            for outcome, production, staging in zip(self.outcomes, self._production_ms, self._staging_ms, strict=True)
            if outcome == "f"
        ]
        return Mismatches(
            requests=self.sent,
            candidate_only=failed.count((False, True)),
            noise_only=failed.count((True, False)),
            both=failed.count((True, True)),
        )

    @property
    def production_ms(self) -> Sequence[float | None]:
        """Of each time that it was asked; None where it failed."""
        return self._asked_both(self._production_ms)

    @property
    def staging_s(self) -> list[float]:
        return [ms / 1000 for ms in self._staging_ms if ms is not None]

    @property
    def pairs_s(self) -> list[tuple[float, float]]:
        """Latencies of Production and Staging where both answered, and nobody else meanwhile, in the order of sending:
        a request that waits for Production's clients would make a slower version look as quick."""
        found = []
        columns = zip(self._production_ms, self._staging_ms, self._again_ms, map(int, self._undisturbed), strict=True)
        for production, staging, again, undisturbed in columns:
            for (first, second), bit in (((production, staging), 1), (again, 2)):
                if first is not None and second is not None and undisturbed & bit:
                    found.append((first / 1000, second / 1000))
        return found

    def percentiles(self, *, noise: bool) -> dict[str, dict[str, float]]:
        """p50, p95 and p99 of each side that answered, in ms."""
        sides = {"staging": self._asked_both(self._staging_ms), **({"production": self.production_ms} if noise else {})}
        answered = {name: sorted(ms for ms in side if ms is not None) for name, side in sides.items()}
        return {
            name: {f"p{p}": ms[min(len(ms) - 1, len(ms) * p // 100)] for p in (50, 95, 99)}
            for name, ms in answered.items()
            if ms
        }

    def _asked_both(self, column: Sequence[float | None]) -> list[float | None]:
        return [ms for ms, outcome in zip(column, self.outcomes, strict=True) if outcome != "s"]

    @property
    def mismatches(self) -> Mismatches:
        return _mismatches(self.outcomes)

    def path(self, every: int) -> Iterator[Mismatches]:
        """What was known after each `every` sendings."""
        for end in range(every, self.sent + 1, every):
            yield _mismatches(self.outcomes[:end])


def _mismatches(outcomes: list[str]) -> Mismatches:
    return Mismatches(
        requests=len(outcomes) - outcomes.count("f") - outcomes.count("s"),
        candidate_only=outcomes.count("b"),
        noise_only=outcomes.count("a"),
        both=outcomes.count("2"),
    )


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)
