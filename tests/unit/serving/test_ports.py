from __future__ import annotations

import socket

import pytest

from seatrial.errors import ServerFailed
from seatrial.serving.ports import PortPool


def free_range(length: int) -> range:
    """Ports below those that the kernel gives away, none of them in use just now."""
    first = next(n for n in range(19000, 20000, length) if all(_is_free(port) for port in range(n, n + length)))
    return range(first, first + length)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_no_two_replicas_get_the_same_port() -> None:
    pool = PortPool(free_range(6))
    first, second = pool.take(), pool.take()
    assert not set(first.all()) & set(second.all())
    with pytest.raises(ServerFailed, match="no three free ports on"):
        pool.take()
    pool.release(first)
    assert set(pool.take().all()) == set(first.all())


def test_a_port_that_a_stranger_has_is_not_given() -> None:
    ports = free_range(3)
    with socket.create_server(("127.0.0.1", ports[1])):
        with pytest.raises(ServerFailed, match=f"{ports[0]}–{ports[-1]}"):
            PortPool(ports).take()


def test_the_ports_of_an_adopted_server_are_held() -> None:
    ports = free_range(3)
    given = PortPool(ports).take()
    pool = PortPool(ports)
    pool.hold(given)
    with pytest.raises(ServerFailed):
        pool.take()
