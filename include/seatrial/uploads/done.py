"""What is kept of uploads that have had their run, small enough for Airflow's state store (pure).

A record an upload: its identity, and its folder's own time, so that a restarted watcher looks into none of them again.
The records of a root are spread over SHARDS values: the store takes 64 KB in one, which is some 900 records.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Set
from dataclasses import dataclass

SHARDS = 64


@dataclass(frozen=True)
class CompleteUpload:
    """A complete upload. `told_ns`: its folder's own time, the same as long as nothing comes or goes in it."""

    name: str
    identity: str
    told_ns: int


Records = dict[str, str]
"""A value of the store: 16 hex digits for the upload's name → `<identity>@<told_ns>`."""


def field_of(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def shard_of(root: str, name: str) -> str:
    """The store's key for an upload of the root with this URL."""
    return _shard(root, int(field_of(name), 16) % SHARDS)


def shards_of(root: str) -> list[str]:
    return [_shard(root, number) for number in range(SHARDS)]


def _shard(root: str, number: int) -> str:
    return f"done.{field_of(root)[:8]}.{number:02d}"


def record_of(upload: CompleteUpload) -> str:
    return f"{upload.identity}@{upload.told_ns}"


def records(value: object) -> Records:
    """What the store returned, as far as it is what was put there."""
    if not isinstance(value, Mapping):
        return {}
    return {field: text for field, text in value.items() if isinstance(text, str) and _parse("", text)}


def upload_of(name: str, kept: Mapping[str, str]) -> CompleteUpload | None:
    """The upload of this name as it was when it had its last run."""
    return _parse(name, kept.get(field_of(name), ""))


def had_run(name: str, identity: str, kept: Mapping[str, str]) -> bool:
    """Whether the upload of this name had its run as it is, with this identity."""
    last = upload_of(name, kept)
    return last is not None and last.identity == identity


def _parse(name: str, text: str) -> CompleteUpload | None:
    identity, _, told_ns = text.partition("@")
    return CompleteUpload(name, identity, int(told_ns)) if identity and told_ns.isdecimal() else None


def pruned(kept: Mapping[str, str], alive: Set[str]) -> Records:
    """Without the records of uploads that are gone; `alive` are the fields of those that are there."""
    return {field: text for field, text in kept.items() if field in alive}
