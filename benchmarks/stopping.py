"""What a benchmark started ends with it."""

from __future__ import annotations

import signal
import sys


def end_by_sigterm() -> None:
    """SIGTERM ends this process as Ctrl-C does: through every `finally`, which stops the servers."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
