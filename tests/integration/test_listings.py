"""Lists of models and versions through a real manager on a real store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("ml_metadata", reason="ml-metadata is in the manager's environment only")

from seatrial.cli import main
from seatrial.client.registry_api import RegistryAPI
from seatrial.errors import Refused
from seatrial.manager.composition import InferenceManager
from seatrial.registry.query import matches, parse_filter
from seatrial.registry.search import places_of
from tests.integration.conftest import STORES
from tests.running import promote, register, running_manager

MODELS = ("bass", "chords", "pitch")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("seatrial")


@pytest.fixture(scope="module", params=STORES)
def parts(request: pytest.FixtureRequest, home: Path) -> Iterator[tuple[InferenceManager, RegistryAPI]]:
    """Three models of four versions each; the second of each is in Production, the last of pitch in Staging."""
    server = STORES[request.param]
    registry = None if server is None else request.getfixturevalue(server).new_database()
    with running_manager(home, registry) as (manager, api):
        for at, model in enumerate(MODELS):
            for number in range(1, 5):
                register(
                    manager,
                    model,
                    f"{model}{number}",
                    user="ann" if number % 2 else "bob",
                    description=f"the {number}. try of {model}",
                    tags={"team": "audio lab" if at else "bass", "odd key+": "x"},
                    metrics={"f1": number / 5 + at / 100, "loss": number / 3e6} if number < 4 else {},
                    hyper_parameters={"layers": number, "dropout": 0.5, "bias": number > 2, "optimiser": "adam"},
                )
            promote(manager, manager.registry.version(model, 2))
        manager.registry.move_stage("pitch", 4, "Staging", environment="paris")
        yield manager, api


@pytest.fixture
def api(parts: tuple[InferenceManager, RegistryAPI]) -> RegistryAPI:
    return parts[1]


def names(answer: dict[str, list[dict[str, object]]]) -> list[str]:
    return [f"{row['model']}@{row['version']}" for row in answer["versions"]]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "stage=Production",
        "stage=Staging and environment=paris",
        "stage=Staging and environment=local",
        "stage!=Production",
        "environment=local",
        "user=ann and tag.team='audio lab'",
        "tag.'odd key+'=x and metric.f1>0.41 and metric.f1<=0.62",
        "metric.f1!=0.2",
        "metric.f1=0.2",
        "metric.f1>-1e-9",
        "metric.loss>=6e-7 and metric.loss<1e-6",
        "metric.loss=3.3333333333333335e-07",
        "metric.f1<1e300 and metric.f1>=-1.7976931348623157e+308",
        "param.layers>=3",
        "param.layers=2",
        "param.dropout<0.6 and param.bias=true",
        "param.optimiser=adam and param.optimiser!=sgd",
        "text~CHORDS and version<3",
        "model=pitch and created>2020-01-01",
        "name=PITCH",
    ],
)
def test_the_stores_search_and_the_pure_filter_agree(parts: tuple[InferenceManager, RegistryAPI], text: str) -> None:
    manager, api = parts
    every = [version for model in MODELS for version in manager.registry.versions(model)]
    wanted = parse_filter(text)
    met = {
        f"{version.model}@{version.version}"
        for version in every
        if matches(wanted, version, places_of(manager.registry.ledger(version.model), version.version))
    }
    for order in ("-created", "created", "-metric.f1", "name"):
        assert set(names(api.list_versions(filter=text, order=order))) == met
    assert {row["name"] for row in api.list_models(filter=text)["models"]} == {name.split("@")[0] for name in met}


def test_versions_come_newest_first_and_by_metric_best_first_without_one_last(api: RegistryAPI) -> None:
    assert names(api.list_versions())[:2] == ["pitch@4", "pitch@3"]
    by_metric = names(api.list_versions(order="-metric.f1"))
    assert by_metric[:3] == ["pitch@3", "chords@3", "bass@3"]
    assert set(by_metric[-3:]) == {"pitch@4", "chords@4", "bass@4"}


@pytest.mark.parametrize("order", ["-created", "created", "metric.f1", "-name"])
def test_pages_are_the_whole_also_when_a_version_arrives_between_them(
    tmp_path: Path, parts: tuple[InferenceManager, RegistryAPI], order: str
) -> None:
    manager, api = parts
    there = names(api.list_versions(order=order, limit=500))
    first = api.list_versions(order=order, limit=3)
    found, cursor = names(first), first["cursor"]
    new = register(manager, "bass", f"late {order}", metrics={"f1": 0.0}, user="late")
    while cursor:
        one = api.list_versions(order=order, limit=3, cursor=cursor)
        found, cursor = found + names(one), one["cursor"]
    late = f"bass@{new.version}"
    assert [name for name in found if name != late] == there
    assert found.count(late) <= 1


def test_models_are_listed_whole_by_callers_that_page(api: RegistryAPI) -> None:
    assert [model["name"] for model in api.models()] == list(MODELS)
    pages = api.list_models(limit=2)
    assert len(pages["models"]) == 2
    assert [model["name"] for model in api.list_models(limit=2, cursor=pages["cursor"])["models"]] == ["pitch"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"filter": "nmae=x"}, "'nmae': is not a field"),
        ({"limit": 501}, "limit"),
        ({"order": "stage"}, "ordered by stage"),
        ({"order": "size"}, "order: 'size': is not a field"),
        ({"cursor": "abc"}, "cursor 'abc' is not one of this listing"),
    ],
)
def test_a_wrong_question_is_refused_by_its_part(api: RegistryAPI, query: dict[str, object], said: str) -> None:
    with pytest.raises(Refused, match=said):
        api.list_versions(**query)


def test_the_command_line_lists_and_says_how_to_go_on(
    api: RegistryAPI, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SEATRIAL_HOME", str(home))
    main(["versions", "--filter", "model=pitch", "--order=-metric.f1", "--limit", "2"])
    shown = capsys.readouterr().out
    assert shown.index("pitch@3") < shown.index("pitch@2")
    assert "Production" in shown
    assert "more: the same command with --cursor " in shown
    main(["models", "--filter", "stage=Staging and environment=paris"])
    shown = capsys.readouterr().out
    assert "pitch" in shown
    assert "bass" not in shown
    with pytest.raises(SystemExit) as ended:
        main(["versions", "--filter", "metric.f1>high"])
    assert ended.value.code == 2
