"""What a person sees while it runs: one line a step, live on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from quickstart.airflow_api import seconds_of

STEPS = {
    "check_format": "Check format",
    "register_version": "Register",
    "deploy_to_staging": "Deploy to Staging",
    "shadow_validate": "Shadow",
    "survey_hardware": "Survey",
    "profile_hardware": "Profile",
    "verify_hardware": "Verify",
    "choose_hardware": "Choose",
    "promote": "Promote",
    "push_autoscaling": "Push autoscaling",
}
FOR_MANY_OPTIONS = {"survey_hardware", "verify_hardware"}
MARKS = {"success": "[green]✔[/]", "failed": "[red]✘[/]", "skipped": "[dim]–[/]", "running": "[cyan]▶[/]"}
WAITING = "[dim]·[/]"


class Display:
    """Prints to one console; `steps` gives a view of a run that follows it."""

    def __init__(self) -> None:
        self.console = Console(highlight=False, soft_wrap=True)

    def say(self, text: str) -> None:
        self.console.print(text)

    def heading(self, text: str) -> None:
        self.console.print(f"\n[bold]{text}[/]")

    def steps(self) -> StepsView:
        return StepsView(self.console)


class StepsView:
    """The steps of one run. On a terminal a live table; else each step is printed once, when it is over."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._printed: set[str] = set()
        self._live = Live(console=console, refresh_per_second=4) if console.is_terminal else None

    def __enter__(self) -> StepsView:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def update(self, tasks: Sequence[Mapping[str, Any]]) -> None:
        rows = rows_of(tasks, time.time())
        if self._live:
            table = Table.grid(padding=(0, 2))
            for row in rows:
                table.add_row(f"  {row['mark']}", row["title"], row["option"], row["seconds"])
            self._live.update(table)
            return
        for row in rows:
            if row["over"] and row["key"] not in self._printed:
                self._printed.add(row["key"])
                self._console.print(f"  {row['mark']} {row['title']:<18} {row['option']:<10} {row['seconds']}")


def rows_of(tasks: Sequence[Mapping[str, Any]], now: float) -> list[dict[str, Any]]:
    """One row for each step, or for each option of a mapped one, in the order of the work (pure); those for many
    options only once there are. `now`: seconds since 1970; a running step shows how long it has been at it."""
    rows = []
    for name, title in STEPS.items():
        found = sorted((t for t in tasks if t["task_id"] == name), key=lambda t: int(t["map_index"]))
        if name in FOR_MANY_OPTIONS:
            found = [task for task in found if task["map_index"] >= 0]
        elif not found:
            found = [{"map_index": -1, "state": None}]
        for task in found:
            state = task["state"]
            rows.append(
                {
                    "key": f"{name}[{task['map_index']}]",
                    "title": title,
                    "option": _option(task),
                    "mark": MARKS.get(str(state), WAITING),
                    "seconds": _seconds(task, now),
                    "over": state in ("success", "failed", "skipped", "upstream_failed"),
                }
            )
    return rows


def _option(task: Mapping[str, Any]) -> str:
    """Airflow knows the option's name once its task has begun; until then it counts them."""
    name = str(task.get("rendered_map_index") or "")
    return f"option {int(name) + 1}" if name.isdigit() else name


def _seconds(task: Mapping[str, Any], now: float) -> str:
    if not task.get("start_date"):
        return ""
    end = seconds_of(task["end_date"]) if task.get("end_date") else now
    return f"{max(0.0, end - seconds_of(task['start_date'])):5.1f} s"
