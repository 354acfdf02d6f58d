"""Where the seconds of a run went (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from quickstart.airflow_api import seconds_of

Interval = tuple[float, float]


def intervals(tasks: Iterable[Mapping[str, Any]]) -> dict[str, list[Interval]]:
    """Start and end of each finished task instance, by task id; seconds since the epoch."""
    found: dict[str, list[Interval]] = {}
    for task in tasks:
        if task.get("start_date") and task.get("end_date"):
            span = (seconds_of(task["start_date"]), seconds_of(task["end_date"]))
            found.setdefault(str(task["task_id"]), []).append(span)
    return found


def covered_s(spans: Iterable[Interval], start: float, end: float) -> float:
    """Length of the union of the spans inside [start, end].

    >>> covered_s([(0, 2), (1, 3), (5, 9)], 1, 6)
    3.0
    """
    total, reached = 0.0, start
    for first, last in sorted(spans):
        total += max(0.0, min(last, end) - max(first, reached))
        reached = max(reached, last)
    return total


def summary(tasks: Iterable[Mapping[str, Any]], uploaded: float, in_production: float) -> dict[str, Any]:
    """Seconds of each step, of upload → Production, and of orchestration: the time in which no step was working."""
    by_task = intervals(tasks)
    total = in_production - uploaded
    working = covered_s([span for spans in by_task.values() for span in spans], uploaded, in_production)
    return {
        "steps_s": {name: round(sum(end - start for start, end in spans), 1) for name, spans in by_task.items()},
        "upload_to_production_s": round(total, 1),
        "orchestration_s": round(total - working, 1),
    }
