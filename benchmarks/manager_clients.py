"""Many Inference Clients in one process, as far as the manager sees them: each keeps a connection and a long poll.

`python -m benchmarks.manager_clients URL TOKEN CLIENTS` speaks the protocol of `seatrial.client.discovery` (first
without waiting, then WAIT_S with the ETag it knows) and writes a line `{"known": N}` once each client has a document.
A line `MODEL VERSION` on its input asks when they hear that this version is in Production; the answer is a line with
the moments, on the monotonic clock that all processes of a machine share, once the last one has heard.
"""

from __future__ import annotations

import asyncio
import json
import sys
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from seatrial.client.news import WAIT_S

AT_ONCE = 100  # connections being made; more would only fill the manager's backlog


class Book:
    """What every client has heard. Equal ETags are equal documents, so each is read once."""

    def __init__(self, clients: int) -> None:
        self.clients = clients
        self._read: dict[str, dict[str, int | None]] = {}
        self._known: set[int] = set()
        self._wanted: tuple[str, int] | None = None  # None too once the last one has heard
        self._moments: dict[int, float] = {}

    def heard(self, client: int, etag: str, body: bytes) -> None:
        at = monotonic()
        if etag not in self._read:
            self._read[etag] = _productions(json.loads(body))
        if client not in self._known:
            self._known.add(client)
            if len(self._known) == self.clients:
                say({"known": self.clients})
        if self._wanted is None or self._read[etag].get(self._wanted[0]) != self._wanted[1]:
            return
        self._moments.setdefault(client, at)
        if len(self._moments) == self.clients:
            say({"moments": sorted(self._moments.values()), "document_bytes": len(body)})
            self._wanted = None

    def watch(self, line: str) -> None:
        model, _, version = line.strip().partition(" ")
        self._wanted, self._moments = (model, int(version)), {}


async def follow(client: int, url: str, token: str, book: Book, gate: asyncio.Semaphore) -> None:
    address = urlsplit(url)
    async with gate:
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
    etag, wait_s = "", 0.0
    while True:
        known = f"If-None-Match: {etag}\r\n" if etag else ""
        writer.write(
            f"GET /v1/discovery?wait_s={wait_s} HTTP/1.1\r\nHost: {address.netloc}\r\nAccept: */*\r\n"
            f"Accept-Encoding: gzip, deflate\r\nConnection: keep-alive\r\nUser-Agent: python-httpx/0.28.1\r\n"
            f"Authorization: Bearer {token}\r\n{known}\r\n".encode()
        )
        status, headers = _head(await reader.readuntil(b"\r\n\r\n"))
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        if status == 200:
            etag = headers["etag"]
            book.heard(client, etag, body)
        elif status != 304:
            sys.exit(f"the manager answered {status}: {body[:300]!r}")
        wait_s = WAIT_S


def _head(text: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = text.decode("latin-1").strip().split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return int(first.split()[1]), {name.lower(): value.strip() for name, _, value in pairs}


def _productions(document: dict[str, Any]) -> dict[str, int | None]:
    return {
        name: model["environments"]["local"]["production"]
        for name, model in document["models"].items()
        if "local" in model["environments"]
    }


def say(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


async def main(url: str, token: str, clients: int) -> None:
    book, gate, loop = Book(clients), asyncio.Semaphore(AT_ONCE), asyncio.get_running_loop()
    loop.add_reader(sys.stdin, lambda: book.watch(sys.stdin.readline()))
    await asyncio.gather(*(follow(client, url, token, book, gate) for client in range(clients)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
