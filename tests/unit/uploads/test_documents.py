"""docs/uploads.md says every entry of a manifest as the model has it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from seatrial.uploads.manifest_entries import ManifestEntry, manifest_entries

GUIDE = Path(__file__).parents[3] / "docs" / "uploads.md"


def rows() -> Iterator[str]:
    yield "| entry | meaning | accepted | default |"
    yield "|---|---|---|---|"
    for entry in manifest_entries():
        cells = (f"`{entry.name}`", entry.description, _accepted(entry), _default(entry))
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _accepted(entry: ManifestEntry) -> str:
    if entry.is_section:
        return "the entries below"
    return f"{entry.limits}, in {entry.unit}" if entry.unit else entry.limits


def _default(entry: ManifestEntry) -> str:
    if entry.required:
        return "required"
    nothing = entry.is_section or entry.default is None
    return "" if nothing else f"`{json.dumps(entry.default)}`"


def test_the_guides_table_is_the_manifests_own() -> None:
    """When it is not: put what this expects between the two comments."""
    found = re.search(r"^<!-- table: manifest -->\n(.*?)<!-- end -->$", GUIDE.read_text(), re.M | re.S)
    assert found
    assert found[1] == "".join(f"{row}\n" for row in rows())
