"""A measurement as it goes on: a table that grows on a terminal, else a line for each thing that happens."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.live import Live as Rich

    from seatrial.steps.profile_version import Seen

STATES = {"began": "…", "measured": "", "skipped": "skipped", "failed": "failed"}
COLUMNS = ("option", "stage", "requests/s", "saturation", "p99 ms", "")


class Live:
    """Shown on `to` until the block ends; the table stays."""

    def __init__(self, to: TextIO) -> None:
        self._to = to
        self._rows: dict[tuple[str, str], Seen] = {}
        self._said = ""
        self._rich: Rich | None = None

    def __enter__(self) -> Live:
        if self._to.isatty():
            from rich.console import Console
            from rich.live import Live as Rich

            self._rich = Rich(console=Console(file=self._to), get_renderable=self._table, refresh_per_second=4)
            self._rich.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._rich:
            self._said = ""
            self._rich.stop()

    def say(self, text: str) -> None:
        """What the measurement tells of itself; on a terminal only the newest line is seen."""
        self._said = text
        if not self._rich:
            print(f"  {text}", file=self._to, flush=True)

    def show(self, seen: Seen) -> None:
        self._rows[seen.option, seen.stage] = seen
        if not self._rich:
            print(" ".join(part for part in row(seen) if part), file=self._to, flush=True)

    def _table(self) -> Any:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table(*COLUMNS, box=None, pad_edge=False)
        for column in table.columns[2:5]:
            column.justify = "right"
        for seen in self._rows.values():
            table.add_row(*map(Text, row(seen)))  # not markup: a name or a reason may hold brackets
        return Group(table, Text(self._said, style="dim", no_wrap=True, overflow="ellipsis"))


def row(seen: Seen) -> tuple[str, ...]:
    """Pure: one cell for each of COLUMNS."""
    found = seen.figures or {}
    figures = [f"{found[name]:.1f}" if found else "" for name in ("lambda_max", "mu", "p99_ms")]
    return (seen.option, seen.stage, *figures, seen.reason or STATES[seen.state])
