"""`python -m benchmarks.client_follower URL TOKEN`: two clients, one of each kind, in a process that follows a manager.

A line for each version that comes to Production: when discovery had heard it, and when each client had an answer of it
(monotonic seconds, which all processes of a machine share). Ends with its standard input.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from time import monotonic

from seatrial import AsyncInferenceClient, InferenceClient
from seatrial.client import discovery
from seatrial.client.routes import Target
from tests.rollover import GOOD as X

MODEL = "tiny"
CLIENTS = 2
WAIT_S = 60.0


async def main(url: str, token: str) -> None:
    known, seen = discovery.shared(url, token, None), 0
    with InferenceClient(url, token) as threaded:
        async with AsyncInferenceClient(url, token) as looped:

            async def threads(version: int) -> float:
                while (await asyncio.to_thread(threaded.infer, MODEL, x=X)).version != version:
                    pass
                return monotonic()

            async def loop(version: int) -> float:
                while (await looped.infer(MODEL, x=X)).version != version:
                    pass
                return monotonic()

            while True:
                news = known.news
                version = seen if news.routes is None else news.routes.find(Target(MODEL)).version
                if version != seen:
                    heard, seen = monotonic(), version
                    answered = await asyncio.gather(threads(version), loop(version))
                    said = json.dumps({"version": version, "heard": heard, "answered": answered})
                    os.write(1, f"{said}\n".encode())  # in one piece: other processes write to the same pipe
                await asyncio.to_thread(known.wait, news.revision, WAIT_S)


def end_with_parent() -> None:
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=end_with_parent, daemon=True).start()
    asyncio.run(main(sys.argv[1], sys.argv[2]))
