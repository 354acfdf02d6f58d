"""What the hostile uploads took, at the end of the run, whichever process had them."""

from __future__ import annotations

from typing import Any, cast

import pytest


def pytest_terminal_summary(terminalreporter: Any) -> None:
    took: dict[str, dict[str, Any]] = {
        report.nodeid.rpartition("[")[2].rstrip("]"): cast(dict[str, Any], dict(report.user_properties)["hostile"])
        for reports in terminalreporter.stats.values()
        for report in reports
        if isinstance(report, pytest.TestReport) and "hostile" in dict(report.user_properties)
    }
    if not took:
        return
    slowest = max(took, key=lambda name: took[name]["seconds"])
    peak = max(each["peak_bytes"] for each in took.values())
    passed = sum(each["passed"] for each in took.values())
    terminalreporter.write_line(
        f"{len(took)} hostile uploads: {len(took) - passed} refused, {passed} accepted (sound after random damage, or "
        f"known only when run); peak memory of a child {peak / 1e6:.0f} MB; "
        f"slowest {took[slowest]['seconds']:.2f} s ({slowest})"
    )
