"""`make fuzz SECONDS=n`: every parser of an upload with n seconds of damaged and invented bytes in all.

Hypothesis invents the bytes and makes what fails small. The last line is one JSON object; the exit status is 1 where a
parser raised what it should not, with the smallest bytes that make it. What it found is kept for the next run.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.database import DirectoryBasedExampleDatabase

from tests.fuzz.parsers import PARSERS, Parser

EXAMPLES = 2000


def damaged(seed: bytes) -> st.SearchStrategy[bytes]:
    """`seed` with up to eight pieces of it overwritten, cut out or put in."""
    edit = st.tuples(st.integers(0, len(seed)), st.integers(0, 8), st.binary(max_size=12))

    def apply(edits: list[tuple[int, int, bytes]]) -> bytes:
        data = seed
        for at, cut, put in edits:
            data = data[:at] + put + data[at + cut :]
        return data

    return st.lists(edit, min_size=1, max_size=8).map(apply)


def fuzz(name: str, parser: Parser, seconds: float, counted: Counter[str]) -> str | None:
    """Feed `parser` for `seconds`; returns what it raised that it should not, with the smallest bytes."""
    inputs = st.one_of(st.binary(max_size=2000), *(damaged(seed) for seed in parser.seeds))
    failed: list[str] = []

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=DirectoryBasedExampleDatabase(f".seatrial/fuzz/{name}"),
        suppress_health_check=list(HealthCheck),
    )
    @given(inputs)
    def one_round(data: bytes) -> None:
        counted[name] += 1
        try:
            parser.reads(data)
        except parser.refuses:
            counted[f"{name} refused"] += 1
        except Exception as error:
            failed.append(f"{type(error).__name__}: {error} from {data!r}")
            raise

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            one_round()
        except Exception:  # told below, made small by the last of the tries
            return failed[-1] if failed else "the fuzzer itself failed"
    return None


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--seconds", type=float, default=60)
    seconds = options.parse_args().seconds
    counted: Counter[str] = Counter()
    findings = {}
    for name, parser in PARSERS.items():
        finding = fuzz(name, parser, seconds / len(PARSERS), counted)
        print(f"{name}: {counted[name]} inputs, {counted[f'{name} refused']} refused: {finding or 'no finding'}")
        if finding:
            findings[name] = finding
    print(json.dumps({"inputs": sum(counted[name] for name in PARSERS), "findings": findings, "ok": not findings}))
    sys.exit(bool(findings))


if __name__ == "__main__":
    main()
