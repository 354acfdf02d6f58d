"""`seatrial-manager`: run the Inference Manager."""

from __future__ import annotations

import argparse
import fcntl
import gc
import importlib.util
import logging
import socket
import sys
from pathlib import Path
from types import FrameType
from typing import IO

from seatrial.errors import SeatrialError
from seatrial.settings import Settings

LOOPBACK = ("127.0.0.1", "::1", "localhost")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="seatrial-manager",
        description="Run the Inference Manager: the registry's only writer, and the only one that starts servers.",
        epilog="example: SEATRIAL_HOME=.seatrial seatrial-manager --port 8765",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: loopback only)")
    parser.add_argument(
        "--port", type=int, help="port; the next free one when taken (default: the one this home had before, else 8765)"
    )
    parser.add_argument("--insecure-local", action="store_true", help="ask for no token; loopback only")
    arguments = parser.parse_args()
    if arguments.insecure_local and arguments.host not in LOOPBACK:
        parser.error("--insecure-local listens on loopback only")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    if sys.version_info[:2] != (3, 11):
        parser.error(f"the manager runs on Python 3.11, this is {sys.version.split()[0]}")
    if importlib.util.find_spec("ml_metadata") is None:
        parser.error("the manager is not installed: pip install 'seatrial[manager]'")
    settings = Settings.read()
    if arguments.host not in LOOPBACK and not _has_tokens(settings.home):
        parser.error(
            f"--host {arguments.host} can be reached by others, and no valid token in {settings.home / 'tokens.json'}:"
            " make one first, e.g. seatrial tokens create airflow --role operator"
        )
    settings.home.mkdir(parents=True, exist_ok=True)
    held = _only_one(settings.home)
    try:
        port = arguments.port or _port_before(settings.home) or 8765
        _serve(settings, arguments.host, port, insecure=arguments.insecure_local)
    except SeatrialError as error:
        raise SystemExit(f"seatrial-manager: {error.message}") from error
    finally:
        held.close()


def _serve(settings: Settings, host: str, port: int, *, insecure: bool) -> None:
    import uvicorn

    from seatrial.manager.app import build_app
    from seatrial.manager.composition import InferenceManager
    from seatrial.manager.tokens import TokenFile, Tokens, home_token, keep_private
    from seatrial.storage.local import atomic_write

    listening = _listen(host, port)
    address = f"http://{host}:{listening.getsockname()[1]}"
    keep_private(TokenFile(settings.home).path, settings.home / "token")  # earlier versions left them open
    tokens = None if insecure else Tokens(TokenFile(settings.home), settings.token or home_token(settings.home))
    manager = InferenceManager.assemble(settings)
    atomic_write(settings.home / "manager.url", address.encode())
    logging.getLogger("seatrial.manager").info("Inference Manager at %s, state in %s", address, settings.home)

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            manager.news.close()  # else every waiting client would hold the stop up
            super().handle_exit(sig, frame)

    config = uvicorn.Config(
        build_app(manager, tokens),
        log_level="warning",
        access_log=False,
        proxy_headers=False,  # else any caller on this machine could choose the address that limits and audit lines see
        timeout_graceful_shutdown=5,
    )
    gc.collect()
    gc.freeze()  # what is here stays: looked through with the rest, it held every request up for 0.1 s now and then
    Server(config).run(sockets=[listening])


def _has_tokens(home: Path) -> bool:
    from seatrial.manager.tokens import TokenFile

    return any(token.revoked_ms is None for token in TokenFile(home).read())


def _port_before(home: Path) -> int | None:
    """Where this home's manager listened last: callers that were given its address find the next one there."""
    try:
        return int((home / "manager.url").read_text().rpartition(":")[2])
    except (OSError, ValueError):
        return None


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for candidate in [*range(port, port + 50), 0]:
        # TCP by name: asyncio sets TCP_NODELAY on no other, and each answer would wait 40 ms for the caller's ACK
        listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, candidate))
            listening.listen(2048)  # at once: until then another process may bind the port too; uvicorn's own backlog
        except OSError:
            listening.close()
            continue
        return listening
    raise SystemExit(f"seatrial-manager: no free port on {host}")


def _only_one(home: Path) -> IO[str]:
    """Hold the home folder's lock for as long as the process lives: two managers would fight over its servers."""
    lock = (home / "manager.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise SystemExit(f"seatrial-manager: another manager runs on {home}") from error
    return lock


if __name__ == "__main__":
    main()
