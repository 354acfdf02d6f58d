"""Loopback ports for Inference Servers: three each, never the same for two replicas of one backend."""

from __future__ import annotations

import random
import socket
from collections.abc import Collection

from pydantic import BaseModel, ConfigDict

from seatrial.errors import ServerFailed

HOST = "127.0.0.1"
PORTS = range(20000, 30000)
"""Below 32768, where Linux starts to hand ports to outgoing connections: none of those can take one of ours."""

_TRIES = 1000


class Ports(BaseModel):
    """The ports of one Inference Server, on loopback."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    http: int
    grpc: int
    metrics: int

    def all(self) -> tuple[int, int, int]:
        return (self.http, self.grpc, self.metrics)


def pick_ports(taken: Collection[int]) -> Ports:
    """Three ports that are not in `taken` and that nothing listens on now. Raises ServerFailed when there are none.

    The caller holds a lock and adds the ports to `taken`, so its own replicas never meet. A stranger may still bind
    one before the server does; then the server ends and says so (`is_port_clash`), and others are tried.
    """
    found: list[int] = []
    for _ in range(_TRIES):
        port = random.choice(PORTS)
        if port not in taken and port not in found and _is_free(port):
            found.append(port)
        if len(found) == 3:
            return Ports(http=found[0], grpc=found[1], metrics=found[2])
    raise ServerFailed(f"no three free ports on {HOST} in {PORTS.start}–{PORTS.stop - 1} after {_TRIES} tries")


def is_port_clash(log: Collection[str]) -> bool:
    """Whether a tritonserver's log says that it ended because one of its ports was taken."""
    return any("failed to start" in line and "already in use" in line for line in log)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
