"""A stage move on a real manager, as every client of a model sees it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ml_metadata", reason="the manager runs in its own environment only")

from seatrial import AsyncInferenceClient, InferenceClient
from seatrial.client.manager_api import ManagerAPI
from seatrial.settings import Settings
from seatrial.waiting import Deadline, wait_until
from tests.clients import AnyClient, BlockingAsyncClient
from tests.managers import environ_of, managers
from tests.models import write_upload
from tests.rollover import GOOD as X
from tests.served import serve

EACH = 3
SCALES = {1: 2.0, 2: 3.0}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def manager(home: Path) -> Iterator[ManagerAPI]:
    with managers(environ_of(home)) as (api,):
        yield api


def _clients(stack: ExitStack, home: Path) -> list[AnyClient]:
    """Of each kind some, each with a connection of its own to the manager: a cache file of its own sees to that."""
    settings, found = Settings.read(environ_of(home)), list[AnyClient]()
    for number in range(EACH):
        named = {"manager_url": settings.manager_url, "token": settings.token, "timeout_s": 60.0}
        sync, loop = home / f"sync-{number}.json", home / f"loop-{number}.json"
        found.append(InferenceClient(**named, cache_file=sync))  # type: ignore[arg-type]
        stack.callback(found[-1].close)
        found.append(BlockingAsyncClient(lambda named=named, loop=loop: AsyncInferenceClient(**named, cache_file=loop)))
        stack.callback(found[-1].close)
    return found


def test_a_stage_move_reaches_every_client_and_each_answer_is_of_the_version_that_it_names(
    home: Path, manager: ManagerAPI
) -> None:
    uploads = {n: write_upload(home / "uploads" / str(n), scale=scale) for n, scale in SCALES.items()}
    serve(manager, uploads[1])
    with ExitStack() as stack:
        clients = _clients(stack, home)
        for client in clients:
            assert client.infer("tiny", x=X).version == 1
        serve(manager, uploads[2])
        for client in clients:
            wait_until(lambda c=client: c.describe("tiny")["version"] == 2, Deadline.after(60), "a client has moved")
            answer = client.infer("tiny", x=X)
            assert answer.version == 2
            assert np.array_equal(answer["y"], X * SCALES[2])
