"""`make fuzz SECONDS=n`: every parser of an upload with n seconds of damaged and invented bytes in all.

Each parser works in processes of its own (tests/fuzz/rounds.py). The last line is one JSON object; the exit status is 1
where a parser raised what it should not, or where bytes ended its process that the format check itself does not refuse.
The bytes of each finding are in `.seatrial/fuzz/found/`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seatrial.errors import UploadRefused
from seatrial.formats.check import check_upload
from tests.fuzz.parsers import PARSERS, Parser
from tests.fuzz.rounds import Finding, Tried, play

FOUND = Path(".seatrial/fuzz/found")
LONGEST_ROUND_S = 20.0


@dataclass
class Result:
    """`ended` counts the inputs that ended the parser's process and that the format check refuses all the same."""

    seconds: float = 0.0
    tried: Tried = field(default_factory=Tried)
    ended: int = 0
    finding: str | None = None

    def document(self) -> dict[str, Any]:
        return {
            "seconds": round(self.seconds, 1),
            "inputs": self.tried.inputs,
            "per_s": round(self.tried.inputs / max(self.seconds, 1e-9)),
            "refused": self.tried.refused,
            "share_of_time_in_the_parser": round(self.tried.reading_s / max(self.seconds, 1e-9), 2),
            "slowest_s": round(self.tried.slowest_s, 3),
            "ended_and_refused": self.ended,
            "finding": self.finding,
        }


def fuzz(name: str, parser: Parser, seconds: float) -> Result:
    """Feed `parser` in rounds for `seconds`, or until something is found."""
    result, began = Result(), time.monotonic()
    while result.finding is None and time.monotonic() < began + seconds:
        until = min(began + seconds, time.monotonic() + LONGEST_ROUND_S)
        tried, finding = play(parser, lambda _, until=until: time.monotonic() > until)
        result.tried.add(tried)
        if finding and finding.ended and parser.upload and _refused(parser, finding.data):
            result.ended += 1
            _keep(name, finding)
        elif finding:
            result.finding = f"{finding.said}: {_keep(name, finding)}"
    result.seconds = time.monotonic() - began
    return result


def _refused(parser: Parser, data: bytes) -> bool:
    """Whether the format check, in whose child this parser runs, refuses an upload with these bytes."""
    assert parser.upload is not None
    with tempfile.TemporaryDirectory(prefix="seatrial-fuzz-") as folder:
        parser.upload(data)(Path(folder) / "upload")
        try:
            check_upload(Path(folder) / "upload")
        except UploadRefused:
            return True
        except Exception:  # whatever it is, it is no refusal
            return False
    return False


def _keep(name: str, finding: Finding) -> Path:
    file = FOUND / f"{name}-{hashlib.sha256(finding.data).hexdigest()[:12]}"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(finding.data)
    return file


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--seconds", type=float, default=60)
    options.add_argument("--only", nargs="*", choices=PARSERS, default=list(PARSERS))
    chosen = options.parse_args()
    results = {}
    for name in chosen.only:
        results[name] = fuzz(name, PARSERS[name], chosen.seconds / len(chosen.only))
        print(f"{name}: {json.dumps(results[name].document())}", flush=True)
    found = {name: result.finding for name, result in results.items() if result.finding}
    targets = {name: result.document() for name, result in results.items()}
    inputs = sum(result.tried.inputs for result in results.values())
    print(json.dumps({"inputs": inputs, "targets": targets, "findings": found, "ok": not found}))
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
