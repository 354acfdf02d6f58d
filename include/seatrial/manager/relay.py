"""Single requests by way of the manager, for trying out: few at once, so that they never crowd its own work out."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence

from seatrial.client.grpc_errors import may_go_elsewhere
from seatrial.client.transport import GrpcTransport, encode
from seatrial.errors import Overloaded, SeatrialError
from seatrial.tensors import Array, Tensors
from seatrial.waiting import Deadline

AT_ONCE = 4
"""Each may hold a body and an answer in the manager's memory, and one of its threads."""

ANSWER_S = 60.0


class Relay:
    """Usable from many threads. Connections are not kept: a server may be replaced between two requests."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._at_once, self._places = at_once, threading.BoundedSemaphore(at_once)

    def infer(
        self, addresses: Sequence[str], model: str, version: int, tensors: Tensors, timeout_s: float = ANSWER_S
    ) -> dict[str, Array]:
        """The outputs that one of the servers answers; the next one is asked where one cannot have refused the
        request for its content: it is gone, or has not loaded the version.

        Raises Overloaded when too many are under way, and what the Inference Client's transport raises.
        """
        if not self._places.acquire(blocking=False):
            raise Overloaded(f"{self._at_once} requests pass through the manager already: this way is for trying out")
        try:
            return self._infer(random.sample(addresses, len(addresses)), model, version, tensors, timeout_s)
        finally:
            self._places.release()

    def _infer(
        self, addresses: Sequence[str], model: str, version: int, tensors: Tensors, timeout_s: float
    ) -> dict[str, Array]:
        encoded, deadline = encode(model, version, tensors), Deadline.after(timeout_s)
        *others, last = addresses
        with GrpcTransport() as transport:
            for address in others:
                try:
                    return transport.send(address, encoded, deadline.left_s)
                except SeatrialError as error:
                    if not may_go_elsewhere(error):
                        raise
            return transport.send(last, encoded, deadline.left_s)
