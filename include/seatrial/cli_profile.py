"""`seatrial profile`: a version measured on the manager's hardware options, without Airflow."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from seatrial.cli_capacity import capacity
from seatrial.cli_common import Answer, api, command, run_id, version_name
from seatrial.user_name import user_name

EACH_S = 600.0
"""Seconds that one option may take in one stage."""


def add_to(commands: Any) -> None:
    new = command(
        commands,
        "profile",
        profile,
        "measure what a version carries on each hardware option",
        "seatrial profile pitch@2 --option cpu-1x1 --option cpu-2x2 --load 50",
        """On the manager's machine, with trial servers that are gone afterwards; nothing that serves is changed. Some
20 s an option; of more than four most are only surveyed (docs/operations.md). What was measured in the last week for
the same files, requests, option and machine is not measured again, unless something disturbed it, or with --anew. The
answer is that of `seatrial capacity`.""",
    )
    new.add_argument("version", metavar="MODEL@VERSION")
    new.add_argument("--option", action="append", default=[], metavar="NAME", help="only this one; may be repeated")
    new.add_argument("--anew", action="store_true", help="measure also what is known")
    new.add_argument("--load", type=float, metavar="R", help="requests per second to plan for")
    new.set_defaults(latency_ms=None, percentile=None, parquet=None, plots=None)


def profile(arguments: argparse.Namespace) -> Answer:
    from seatrial.cli_live import Live
    from seatrial.steps.profile_version import profile_version
    from seatrial.steps.run import Run
    from seatrial.waiting import Deadline

    model, number = version_name(arguments.version)
    this = run_id()
    with api() as manager, Live(sys.stderr) as live:
        model_id = manager.model_version(model, number)["model_id"]

        def begin() -> Run:
            return Run(manager, this, user_name(), Deadline.after(EACH_S), live.say)

        for seen in profile_version(begin, model_id, arguments.option, anew=arguments.anew):
            live.show(seen)
    return capacity(arguments)
