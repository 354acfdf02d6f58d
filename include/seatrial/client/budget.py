"""How many extra requests a client may send (pure): retries and hedges must not multiply an outage."""

from __future__ import annotations

import threading


class Budget:
    """A token bucket: each answered request earns `share` of a token, up to `burst`; an extra request takes one."""

    def __init__(self, share: float, burst: float) -> None:
        self._share, self._burst = share, burst
        self._lock = threading.Lock()
        self._left = burst
        self.spent = False
        """Whether there is anything to earn: almost never."""

    @property
    def empty(self) -> bool:
        return self._left < 1

    def earn(self) -> None:
        with self._lock:
            self._left = min(self._burst, self._left + self._share)
            self.spent = self._left < self._burst

    def take(self) -> bool:
        with self._lock:
            if self._left < 1:
                return False
            self._left -= 1
            self.spent = True
            return True
