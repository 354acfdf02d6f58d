"""Numbers with their nouns, for people."""

from __future__ import annotations


def counted(number: int, what: str) -> str:
    """`1 core`, `2 cores`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
