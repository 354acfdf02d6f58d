"""From upload events to exactly one run an upload.

Several events can arrive as one run of the dispatcher, and Airflow 3.3 may leave some out of the triggering events; so
the dispatcher drains: it reads all recent events of the asset and starts what is not confirmed yet. Run ids come from
the upload's identity, so an upload that is listed twice is started once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

KEEP = 1000  # confirmed identities remembered: more than events read at once, small enough for the state store


def new_uploads(payloads: Iterable[Mapping[str, str]], done: Iterable[str]) -> list[dict[str, Any]]:
    """For each upload that is not done: the arguments of its TriggerDagRunOperator (pure; doubles removed)."""
    confirmed = set(done)
    fresh = {payload["id"]: payload["upload"] for payload in payloads if payload["id"] not in confirmed}
    return [
        {"conf": {"upload": upload}, "trigger_run_id": f"upload__{identity}"}
        for identity, upload in sorted(fresh.items(), key=lambda item: item[1])
    ]


def confirmed(done: Iterable[str], started: Iterable[Mapping[str, Any]]) -> list[str]:
    """What is done after `started` (pure): oldest first, the oldest forgotten beyond KEEP."""
    known = dict.fromkeys(done)
    known.update(dict.fromkeys(str(run["trigger_run_id"]).removeprefix("upload__") for run in started))
    return list(known)[-KEEP:]
