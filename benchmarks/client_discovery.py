"""`python -m benchmarks.client_discovery` prints its URL and answers GET /v1/discovery as the manager does; each line
on its input is the document from then on. Captures are taken and forgotten."""

from __future__ import annotations

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class Told:
    """The newest document, and waiting for a newer one. `polls` counts the connections that wait now."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._body, self._revision, self._closed = b"", 0, False
        self.polls = 0

    def take(self, line: str) -> None:
        with self._changed:
            self._body, self._revision = line.encode(), self._revision + 1
            self._changed.notify_all()

    def newer(self, etag: str | None, wait_s: float) -> tuple[bytes, str] | None:
        """Another document than that of `etag`, and its own; None when there is none within `wait_s`."""
        with self._changed:
            self.polls += 1
            self._changed.wait_for(lambda: self._closed or self._news(etag), wait_s)
            self.polls -= 1
            return (self._body, self._etag()) if self._news(etag) else None

    def close(self) -> None:
        """Nobody waits any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _news(self, etag: str | None) -> bool:
        return bool(self._revision) and self._etag() != etag

    def _etag(self) -> str:
        return f'"{self._revision}"'


class DiscoveryServer(ThreadingHTTPServer):
    """Answers on a loopback port, by default a free one."""

    daemon_threads = True

    def __init__(self, told: Told, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.told, self.url = told, f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that is gone is no error."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: DiscoveryServer

    def do_GET(self) -> None:
        wait_s = float(parse_qs(urlsplit(self.path).query).get("wait_s", ["0"])[0])
        etag = self.headers.get("If-None-Match")
        body, current = self.server.told.newer(etag, wait_s if etag else 60) or (b"", etag or "")
        self.send_response(200 if body else 304)
        self.send_header("ETag", current)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def main() -> None:
    told = Told()
    with DiscoveryServer(told) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(server.url, flush=True)
        for line in sys.stdin:
            told.take(line)
        server.shutdown()


if __name__ == "__main__":
    main()
