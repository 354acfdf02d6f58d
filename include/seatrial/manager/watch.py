"""Promoted versions are held against what validation promised; one that breaks it is rolled back, and it says why.

What is watched follows from the ledger, what it is held against from the evidence, and what was found is evidence
again: a manager that starts in the middle counts from then on, and finishes a rollback that another one began.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from seatrial.errors import Conflict, NotFound, Refused, SeatrialError, ServerFailed
from seatrial.manager.rollback import roll_back
from seatrial.registry.entities import StageMove
from seatrial.registry.rules import Author
from seatrial.registry.succession import promotion, way_back
from seatrial.rollover.promise import Promise, promise_of
from seatrial.rollover.watch import MINUTE_S, Finding, Seen, findings, late_share
from seatrial.serving.spec import Deployment, Replica
from seatrial.serving.triton_metrics import Reading, read

if TYPE_CHECKING:
    from seatrial.manager.composition import InferenceManager

log = logging.getLogger(__name__)

KIND = "Watch"


@dataclass
class _Minute:
    """The minute under way. Moments are monotonic seconds."""

    began: float
    base: dict[str, int] = field(default_factory=dict)
    disturbed: bool = False


@dataclass
class _Watched:
    """One promotion. `watching`: counting; `breached`: to be rolled back for `why`; `over`: nothing more to do."""

    entry: StageMove
    model_id: int
    promise: Promise | None
    until_ms: float
    state: Literal["watching", "breached", "over"]
    why: str = ""
    seen: Seen = field(default_factory=Seen)
    last: dict[str, Reading] = field(default_factory=dict)
    minute: _Minute = field(default_factory=lambda: _Minute(time.monotonic()))

    @property
    def name(self) -> str:
        return f"{self.entry.model}@{self.entry.version}"


class Watch:
    """`look` is called every second, by one thread. Reads the servers' own counters; no request passes through here."""

    def __init__(self, manager: InferenceManager) -> None:
        self._manager = manager
        self._watched: dict[tuple[str, str], _Watched] = {}

    def look(self) -> None:
        """One look at every promoted version."""
        promoted: dict[tuple[str, str], _Watched] = {}
        for deployment in self._manager.deployments.all():
            spec = deployment.spec
            entry = promotion(self._manager.registry.ledger(spec.served.name), spec.environment)
            if entry is not None and entry.version == spec.served.version:
                key = (spec.served.name, spec.environment)
                known = self._watched.get(key)
                found = known if known and known.entry.seq == entry.seq else self._begin(entry, spec.model_id)
                promoted[key] = found
                self._go_on(found, deployment)
        self._watched = promoted

    def _begin(self, entry: StageMove, model_id: int) -> _Watched:
        """A promotion that this manager sees for the first time: new, or one that another manager watched before."""
        version = self._manager.registry.by_id(model_id)
        evidence = self._manager.registry.evidence(model_id)
        promise = promise_of(entry.run, version.manifest, evidence)
        until_ms = entry.at_ms + 1000 * self._manager.rollover_setting("watch_s", entry)
        found = _Watched(entry, model_id, promise, until_ms, "over" if promise is None else "watching")
        said = next((e.document for e in evidence if (e.kind, e.key) == (KIND, _key(entry))), None)
        if said is not None:
            found.state, found.why = ("breached", said["sentence"]) if said["verdict"] == "FAIL" else ("over", "")
        elif _now_ms() >= until_ms:
            found.state = "over"
        elif promise is None:
            log.info("%s is not watched: it was never validated, so nothing was promised", found.name)
        return found

    def _go_on(self, found: _Watched, deployment: Deployment) -> None:
        if found.state == "watching":
            self._count(found, deployment)
            self._judge(found, deployment)
        if found.state == "breached":
            self._go_back(found)

    def _count(self, found: _Watched, deployment: Deployment) -> None:
        ready = [replica for replica in deployment.replicas if replica.state == "ready"]
        readings = {r.id: reading for r in ready if r.metrics_address and (reading := read(r.metrics_address))}
        known = {name: found.last[name] for name in readings if name in found.last}
        requests = sum(readings[name].requests - before.requests for name, before in known.items())
        failures = sum(readings[name].failures - before.failures for name, before in known.items())
        found.seen = found.seen.look(requests, failures)
        found.last = readings
        found.minute.disturbed |= self._disturbed(ready)
        if not found.minute.base:
            found.minute = _Minute(time.monotonic(), {name: r.requests for name, r in readings.items()})
        elif time.monotonic() - found.minute.began >= MINUTE_S:
            found.seen = _with_minute(found, readings)
            found.minute = _Minute(time.monotonic(), {name: r.requests for name, r in readings.items()})

    def _disturbed(self, ready: Iterable[Replica]) -> bool:
        """Whether a measurement or a check runs on the same cores."""
        cores = {core for replica in ready for core in replica.core_set}
        records = self._manager.backend.records().values()
        return any(record.owner is None and cores & set(record.core_set) for record in records)

    def _judge(self, found: _Watched, deployment: Deployment) -> None:
        assert found.promise is not None, "it is watched"
        parts = findings(found.seen, found.promise)
        if deployment.state == "failed":
            parts = (Finding(True, f"its servers do not stay up: {deployment.error}"), *parts)
        broken = [part for part in parts if part.breach]
        if broken:
            found.state, found.why = "breached", "; ".join(part.sentence for part in broken)
            self._keep(found, "FAIL", found.why, parts)
            log.warning("%s breaks its promise: %s", found.name, found.why)
        elif _now_ms() >= found.until_ms:
            found.state = "over"
            self._keep(found, "PASS", "; ".join(part.sentence for part in parts), parts)

    def _keep(self, found: _Watched, verdict: str, sentence: str, parts: Iterable[Finding]) -> None:
        assert found.promise is not None, "it is watched"
        document = {
            "verdict": verdict,
            "sentence": sentence,
            "entry": found.entry.seq,
            "findings": [vars(part) for part in parts],
            "seen": vars(found.seen),
            "promise": found.promise.model_dump(mode="json"),
        }
        self._manager.registry.add_evidence(found.model_id, KIND, _key(found.entry), found.entry.run, document)

    def _go_back(self, found: _Watched) -> None:
        """One step of the rollback. A person's move that came first is left as it is."""
        entry = found.entry
        if way_back(self._manager.registry.ledger(entry.model), entry.environment) is None:
            log.warning("%s stays in Production: there is no former version to go back to", found.name)
            found.state = "over"
            return
        author = Author("watch", f"watch__{entry.model}-{entry.seq}", f"watch: {found.why}"[:1000])
        try:
            done = roll_back(self._manager, entry.model, entry.environment, author, replaces=entry.version)
        except (Conflict, NotFound, Refused, ServerFailed) as error:
            log.warning("%s is not rolled back: %s", found.name, error)
            found.state = "over"
        except SeatrialError as error:  # the registry's store may be away: the next look tries again
            log.warning("%s: the rollback goes on at the next look: %s", found.name, error)
        else:
            found.state = "over" if done.state == "done" else "breached"


def _with_minute(found: _Watched, readings: dict[str, Reading]) -> Seen:
    """What was counted, with the minute that ended now; left out when it says nothing of the version."""
    promise, base = found.promise, found.minute.base
    assert promise is not None, "it is watched"
    if promise.rate_per_replica is None:
        return found.seen
    sent = {name: reading.requests - base[name] for name, reading in readings.items() if name in base}
    requests = sum(sent.values())
    most = promise.rate_per_replica * len(sent) * (time.monotonic() - found.minute.began)
    if found.minute.disturbed or requests > most:
        return found.seen.leave_out()
    limit_ms = promise.objective.latency_ms
    late = sum(late_share(readings[name].quantiles_ms, limit_ms) * count for name, count in sent.items())
    return found.seen.minute(requests, late / requests) if requests else found.seen


def _key(entry: StageMove) -> str:
    return f"entry-{entry.seq}"


def _now_ms() -> float:
    return time.time() * 1000
