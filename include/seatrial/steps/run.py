"""What every step is given: the manager, who asks, for which run, how long it may take, where to tell of progress."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from seatrial.client.manager_api import ManagerAPI
from seatrial.waiting import Deadline

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Run:
    """`id` is the Airflow run id (or that of a command, "cli__…"); evidence and ledger entries carry it."""

    api: ManagerAPI
    id: str
    who: str
    deadline: Deadline
    progress: Progress
