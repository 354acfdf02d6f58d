"""Loopback ports for Inference Servers: three each, never the same for two replicas of one backend."""

from __future__ import annotations

import secrets
import socket
import threading

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


class PortPool:
    """Gives ports to the replicas of one backend; two of them never get the same. Usable from many threads."""

    def __init__(self, ports: range = PORTS) -> None:
        self._lock, self._ports, self._taken = threading.Lock(), ports, set[int]()

    def take(self) -> Ports:
        """Three ports that nobody here has and nothing listens on. Raises ServerFailed when there are none.

        A stranger may still bind one before the server does; then the server ends and its log says so
        (`triton_log.is_port_clash`), and the replica takes others.
        """
        with self._lock:
            found: list[int] = []
            for _ in range(_TRIES):
                port = secrets.choice(self._ports)
                if port not in self._taken and port not in found and _is_free(port):
                    found.append(port)
                if len(found) == 3:
                    self._taken.update(found)
                    return Ports(http=found[0], grpc=found[1], metrics=found[2])
        first, last = self._ports[0], self._ports[-1]
        raise ServerFailed(f"no three free ports on {HOST} in {first}–{last} after {_TRIES} tries")

    def hold(self, ports: Ports) -> None:
        """Take the ports of a server that runs already."""
        with self._lock:
            self._taken.update(ports.all())

    def release(self, ports: Ports) -> None:
        """Give ports back. Safe to repeat."""
        with self._lock:
            self._taken.difference_update(ports.all())


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
