"""The dossier of a version (pure): everything that is known of it, as one JSON document of a stable shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from seatrial.registry.entities import Evidence, ModelVersion
from seatrial.registry.history import touching
from seatrial.registry.rules import Ledger, stages

SCHEMA = 1
"""Grows when a field changes its meaning or goes away; a new field does not change it."""

Document = dict[str, Any]


def dossier(
    version: ModelVersion, ledger: Ledger, evidence: Sequence[Evidence], files: Mapping[str, str], *, kept: bool
) -> Document:
    """The document. Lists are in the order of time, oldest first.

    schema     1
    version    the version as everywhere in the API: manifest, source, signature, metrics, stages …
    files      path → SHA-256 digest of the whole upload; `files_kept`: the artifact store has them now
    verdicts   of each judgement: PASS, FAIL or UNDECIDED, its sentence, and in `parts` each number with its limit
    cells      each measured hardware option, whole
    policy     the scaling policy that was pushed last, else the one that was chosen last; null before either
    ledger     the stage moves that moved this version, itself or by displacing it
    runs       who wrote here: run, its steps, first and last moment
    evidence   every document whole; `id` joins verdicts and cells to it
    """
    documents = sorted(evidence, key=lambda one: (one.at_ms, one.id))
    moves = touching(ledger, version.version)
    return {
        "schema": SCHEMA,
        "version": {**version.model_dump(mode="json"), "stages": _stages(ledger, version.version)},
        "files": dict(sorted(files.items())),
        "files_kept": kept,
        "verdicts": [verdict(found) for found in documents if found.document.get("verdict") in VERDICTS],
        "cells": [
            {**found.document, "id": found.id, "run": found.run} for found in documents if found.kind == CELL_KIND
        ],
        "policy": policy(documents),
        "ledger": [move.model_dump(mode="json") for move in moves],
        "runs": _runs([*documents, *moves]),
        "evidence": [found.model_dump(mode="json") for found in documents],
    }


CELL_KIND = "ProfileHardware"
VERDICTS = ("PASS", "FAIL", "UNDECIDED")


def verdict(evidence: Evidence) -> Document:
    """A judgement without its raw material: answer, sentence, and the numbers with their limits.

    Evidence may have any shape: what has not the one that a verdict has is left out, and found in the evidence itself.
    """
    document = evidence.document
    parts, counts, production = (document.get(name) for name in ("parts", "counts", "production"))
    return {
        "id": evidence.id,
        "kind": evidence.kind,
        "run": evidence.run,
        "at_ms": evidence.at_ms,
        "verdict": document["verdict"],
        "sentence": str(document.get("sentence", "")),
        "compared_with": production if isinstance(production, int) else None,
        "parts": [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else [],
        "counts": counts if isinstance(counts, dict) else {},
    }


def policy(evidence: Sequence[Evidence]) -> Document | None:
    """The policy in the newest document that has one; a pushed one before a chosen one. `evidence` is oldest first."""
    for kind in ("PushAutoscaling", "ChooseHardware"):
        for found in reversed(evidence):
            if found.kind == kind:
                said: Document | None = found.document if kind == "PushAutoscaling" else found.document.get("policy")
                if isinstance(said, dict):
                    return said
    return None


def _stages(ledger: Ledger, version: int) -> dict[str, str]:
    return {environment: stage for (environment, number), stage in stages(ledger).items() if number == version}


def _runs(written: Sequence[Any]) -> list[Document]:
    runs: dict[str, Document] = {}
    for one in sorted(written, key=lambda one: one.at_ms):
        if one.run:
            run = runs.setdefault(one.run, {"run": one.run, "steps": [], "first_ms": one.at_ms, "last_ms": one.at_ms})
            run["last_ms"] = one.at_ms
            step = one.kind if isinstance(one, Evidence) else f"move to {one.to_stage}"
            if step not in run["steps"]:
                run["steps"].append(step)
    return list(runs.values())
