"""The manager's answers about many models: what each costs in reads of the store, and what they say."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("ml_metadata", reason="ml-metadata is in the manager's environment only")

import httpx

from benchmarks.registry_documents import draft
from seatrial.client.routes import Routes, Target
from seatrial.errors import NotDeployed
from seatrial.manager.__main__ import _listen
from seatrial.manager.app import build_app
from seatrial.manager.composition import InferenceManager
from seatrial.settings import Settings


@pytest.fixture
def manager(tmp_path: Path) -> InferenceManager:
    found = InferenceManager.assemble(Settings.read({"SEATRIAL_HOME": str(tmp_path)}))
    chance = random.Random(1)
    for model in ("pitch", "beat"):
        for _ in range(2):
            new = draft(model, chance)
            found.registry.register(model, new.tree_digest, served=new.served, manifest=new.manifest)
    for number in (1, 2):
        found.registry.move_stage("pitch", number, "Staging")
        found.registry.move_stage("pitch", number, "Production")
    return found


Get = Callable[[str], httpx.Response]


@pytest.fixture
def get(manager: InferenceManager) -> Get:
    async def answer(path: str) -> httpx.Response:
        transport = httpx.ASGITransport(build_app(manager, None))
        async with httpx.AsyncClient(transport=transport, base_url="http://manager/v1") as http:
            return await http.get(path)

    return lambda path: asyncio.run(answer(path))


def test_a_version_is_found_by_name_and_stage(get: Get) -> None:
    found = get("/models/pitch/stages/Production").json()
    assert (found["model"], found["version"], found["stages"]) == ("pitch", 2, {"local": "Production"})
    for path in ("pitch/stages/Staging", "beat/stages/Production", "nobody/stages/Production"):
        assert get(f"/models/{path}").status_code == 404
    assert get("/models/pitch/stages/Archived").status_code == 422


def test_a_models_page_reads_its_ledger_once(
    get: Get, manager: InferenceManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = []
    ledger = manager.registry.ledger
    monkeypatch.setattr(manager.registry, "ledger", lambda model: reads.append(model) or ledger(model))
    shown = get("/models/pitch").json()
    assert [version["stages"] for version in shown["versions"]] == [{"local": "Archived"}, {"local": "Production"}]
    assert reads == ["pitch"]


def test_discovery_reads_no_ledger_of_models_that_run_nowhere(
    get: Get, manager: InferenceManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manager.registry, "ledger", lambda model: pytest.fail(f"the ledger of {model} was read"))
    routes = Routes(get("/discovery").json())
    with pytest.raises(NotDeployed, match="pitch"):
        routes.find(Target("pitch"))


def test_answers_are_sent_at_once() -> None:
    """Without TCP_NODELAY the second packet of each answer waits for the caller's delayed ACK: 40 ms a call."""

    async def no_delay() -> int:
        answered: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connection = writer.get_extra_info("socket")
            answered.set_result(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        listening = _listen("127.0.0.1", 0)
        async with await asyncio.start_server(accept, sock=listening):
            _, writer = await asyncio.open_connection(*listening.getsockname())
            found = await answered
            writer.close()
            return found

    assert asyncio.run(no_delay()) != 0
