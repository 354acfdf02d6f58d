"""A setting counts only when the running server shows it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from seatrial.hardware import HardwareOption

_RUNTIME = re.compile(r"seatrial runtime (?P<runtime>\w+)(?P<settings>[^\"]*)")

THREADS = {"onnxruntime": "threads", "openvino": "INFERENCE_NUM_THREADS"}
"""Under which name a runtime says how many intra-op threads it holds."""


def runtime_settings(log: Sequence[str]) -> list[dict[str, str]]:
    """What the model instances of a server say of their runtime in its log, one of each: `runtime`, `version`, …"""
    return [
        {"runtime": line["runtime"], **dict(word.split("=", 1) for word in line["settings"].split() if "=" in word)}
        for line in map(_RUNTIME.search, log)
        if line
    ]


def threads_flaw(option: HardwareOption, shown: Sequence[Mapping[str, str]]) -> str | None:
    """Why the instances do not run as the option says; None when each shows the threads that it was given."""
    if len(shown) < option.instances:
        return f"{option.instances - len(shown)} of {option.instances} instances do not say how many threads they have"
    for settings in shown:
        held = settings.get(THREADS.get(settings["runtime"], "threads"))
        if held != str(option.threads):
            return f"was given {option.threads} threads, but {settings['runtime']} says {held}"
    return None


def cores_flaw(given: Sequence[int], found: set[tuple[int, ...]]) -> str | None:
    """Why the processes do not run where they should; None when all are on the core set that was given."""
    return None if found == {tuple(given)} else f"was given the cores {tuple(given)}, but runs on {sorted(found)}"
