"""Which uploads wait for their run: from the asset's events and the records in its state store.

Several events can arrive as one run of the dispatcher, and Airflow 3.3 may leave some out of the triggering events; so
the dispatcher drains: it reads all events since those that it read last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from seatrial.uploads.done import CompleteUpload, Records, field_of, had_run, record_of, records, shard_of

PAGE = 250
"""Events read at once. Airflow looks for the runs of each: a thousand come near the 5 s that an answer may take."""

LATE = timedelta(seconds=60)
"""An event may come to the database after younger ones, by a slow transaction or another triggerer's clock."""

FIELDS = {"id": str, "upload": str, "root": str, "told_ns": int}


def pages(events: Any, read_to: object) -> Iterator[list[Any]]:
    """The asset's events page by page, oldest first, from LATE before the time that was read to; some come twice."""
    if isinstance(read_to, str):
        events.after((datetime.fromisoformat(read_to) - LATE).isoformat())
    most = PAGE
    while page := list(events.ascending(True).limit(most)):
        yield page
        if len(page) < most:
            return
        if page[0].timestamp == page[-1].timestamp:
            most *= 2  # all of one moment: there is no asking for the rest of it alone
        events.after(page[-1].timestamp.isoformat())


def payloads(events: Iterable[Any]) -> list[dict[str, Any]]:
    """What the watcher put into these events; others may have been made by hand."""
    found = [(event.extra or {}).get("payload") for event in events]
    return [
        payload
        for payload in found
        if isinstance(payload, dict) and all(isinstance(payload.get(name), kind) for name, kind in FIELDS.items())
    ]


class Confirmed:
    """The records of uploads that had their run; they are read from the store when one is asked for."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self._shards: dict[str, Records] = {}
        self._changed: set[str] = set()

    def waiting(self, told: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Those payloads whose upload has had no run as it is, each once."""
        return [payload for payload in {payload["id"]: payload for payload in told}.values() if not self._has(payload)]

    def add(self, payload: dict[str, Any]) -> None:
        """Its run is there."""
        shard = shard_of(payload["root"], payload["upload"])
        upload = CompleteUpload(payload["upload"], payload["id"], payload["told_ns"])
        self._kept(shard)[field_of(upload.name)] = record_of(upload)
        self._changed.add(shard)

    def save(self) -> None:
        for shard in self._changed:
            self._store.set(shard, self._shards[shard])
        self._changed.clear()

    def _has(self, payload: dict[str, Any]) -> bool:
        kept = self._kept(shard_of(payload["root"], payload["upload"]))
        return had_run(payload["upload"], payload["id"], kept)

    def _kept(self, shard: str) -> Records:
        if shard not in self._shards:
            self._shards[shard] = records(self._store.get(shard, {}))
        return self._shards[shard]
