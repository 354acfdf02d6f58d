"""Promoted versions are held against what validation promised; one that breaks it is rolled back, and it says why.

What is watched follows from the ledger, what it is held against from the evidence, and what was found is evidence
again: a manager that starts in the middle counts from then on, and finishes a rollback that another one began.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from seatrial.errors import Conflict, NotFound, Refused, SeatrialError, ServerFailed
from seatrial.manager.rollback import roll_back
from seatrial.registry.entities import StageMove
from seatrial.registry.rules import Author
from seatrial.registry.succession import promotion, way_back
from seatrial.rollover.counting import Counting
from seatrial.rollover.promise import promise_of
from seatrial.rollover.watch import Finding, findings
from seatrial.serving.spec import Deployment, Replica
from seatrial.serving.triton_metrics import read

if TYPE_CHECKING:
    from seatrial.manager.composition import InferenceManager

log = logging.getLogger(__name__)

KIND = "Watch"


@dataclass
class _Watched:
    """One promotion. `watching`: counting; `breached`: to be rolled back for `why`; `over`: nothing more to do."""

    entry: StageMove
    model_id: int
    until_ms: float
    counting: Counting | None
    state: Literal["watching", "breached", "over"]
    why: str = ""

    @property
    def name(self) -> str:
        return f"{self.entry.model}@{self.entry.version}"


class Watch:
    """`look` is called every second, by one thread. Reads the servers' own counters; no request passes through here."""

    def __init__(self, manager: InferenceManager) -> None:
        self._manager = manager
        self._watched: dict[tuple[str, str], _Watched] = {}

    def look(self) -> None:
        """One look at every promoted version; a trouble with one of them keeps none of the others from it."""
        for deployment in self._manager.deployments.all():
            try:
                self._look_at(deployment)
            except SeatrialError as error:  # the registry's store may be away: the next look tries again
                log.warning("%s: %s", deployment.spec.served.name, error)

    def _look_at(self, deployment: Deployment) -> None:
        spec = deployment.spec
        entry = promotion(self._manager.ledgers.of(spec.served.name), spec.environment)
        if entry is None or entry.version != spec.served.version:
            return
        key = (spec.served.name, spec.environment)
        found = self._watched.get(key)
        if found is None or found.entry.seq != entry.seq:
            found = self._watched[key] = self._begin(entry, spec.model_id)
        if found.state == "watching" and found.counting is not None:
            self._count(found.counting, deployment)
            self._judge(found, found.counting, deployment)
        if found.state == "breached":
            self._go_back(found)

    def _begin(self, entry: StageMove, model_id: int) -> _Watched:
        """A promotion that this manager sees for the first time: new, or one that another manager watched before."""
        version = self._manager.registry.by_id(model_id)
        evidence = self._manager.registry.evidence(model_id)
        promise = promise_of(entry.run, version.manifest, evidence)
        until_ms = entry.at_ms + 1000 * self._manager.rollover_setting("watch_s", entry)
        counting = None if promise is None else Counting(promise)
        found = _Watched(entry, model_id, until_ms, counting, "over" if counting is None else "watching")
        said = next((e.document for e in evidence if (e.kind, e.key) == (KIND, _key(entry))), None)
        if said is not None:
            found.state = "breached" if said.get("verdict") == "FAIL" else "over"
            found.why = str(said.get("sentence"))
        elif _now_ms() >= until_ms:
            found.state = "over"
        elif promise is None:
            log.info("%s is not watched: it was never validated, so nothing was promised", found.name)
        return found

    def _count(self, counting: Counting, deployment: Deployment) -> None:
        ready = [replica for replica in deployment.replicas if replica.state == "ready"]
        readings = {r.id: reading for r in ready if r.metrics_address and (reading := read(r.metrics_address))}
        counting.look(readings, disturbed=self._disturbed(ready), now=time.monotonic())

    def _disturbed(self, ready: Iterable[Replica]) -> bool:
        """Whether a measurement or a check runs on the same cores."""
        cores = {core for replica in ready for core in replica.core_set}
        records = self._manager.backend.records().values()
        return any(record.owner is None and cores & set(record.core_set) for record in records)

    def _judge(self, found: _Watched, counting: Counting, deployment: Deployment) -> None:
        parts = findings(counting.seen, counting.promise)
        if deployment.state == "failed":
            parts = (Finding(True, f"its servers do not stay up: {deployment.error}"), *parts)
        broken = [part for part in parts if part.breach]
        if broken:
            self._keep(found, counting, "FAIL", broken)
            log.warning("%s breaks its promise: %s", found.name, found.why)
            found.state = "breached"
        elif _now_ms() >= found.until_ms:
            self._keep(found, counting, "PASS", parts)
            found.state = "over"

    def _keep(self, found: _Watched, counting: Counting, verdict: str, deciding: Sequence[Finding]) -> None:
        found.why = "; ".join(part.sentence for part in deciding)
        document = {
            "verdict": verdict,
            "sentence": found.why,
            "entry": found.entry.seq,
            "seen": vars(counting.seen),
            "promise": counting.promise.model_dump(mode="json"),
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
        else:
            found.state = "over" if done.state == "done" else "breached"


def _key(entry: StageMove) -> str:
    return f"entry-{entry.seq}"


def _now_ms() -> float:
    return time.time() * 1000
