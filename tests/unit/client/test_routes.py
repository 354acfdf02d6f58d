from __future__ import annotations

from typing import Any

import pytest

from seatrial.client.routes import Routes, Target
from seatrial.errors import ManagerUnavailable, NoSuchModel, NoSuchVersion, NotDeployed, SeatrialError


def _version(model_id: int, *addresses: str) -> dict[str, Any]:
    endpoints = [{"address": address, "weight": 1.0} for address in addresses]
    return {"model_id": model_id, "signature": {"inputs": [], "outputs": []}, "endpoints": endpoints}


ROUTES = Routes(
    {
        "models": {
            "pitch": {
                "capture": {"share": 0.1, "per_minute": 60},
                "environments": {
                    "local": {
                        "production": 2,
                        "staging": 3,
                        "versions": {"2": _version(17, "a:1", "a:2"), "3": _version(18, "b:1"), "4": _version(19)},
                    }
                },
            }
        }
    }
)


@pytest.mark.parametrize(
    ("model", "version", "stage", "found"),
    [("pitch", None, "Production", 2), ("pitch", None, "Staging", 3), ("pitch", 3, "Production", 3), (17, None, "", 2)],
)
def test_a_route_is_found_by_name_stage_version_and_id(
    model: str | int, version: int | None, stage: str, found: int
) -> None:
    assert ROUTES.find(Target(model, version, stage)).version == found


@pytest.mark.parametrize(
    ("model", "version", "stage", "environment", "error", "said"),
    [
        ("pitsh", None, "Production", "local", NoSuchModel, "registered: pitch"),
        ("pitch", 4, "Production", "local", NotDeployed, "versions that run: 2, 3"),
        ("pitch", 0, "Production", "local", NotDeployed, "no server answers for pitch@0"),
        ("pitch", None, "Archived", "local", NotDeployed, "no version in Archived"),
        ("pitch", None, "Stagign", "local", NotDeployed, "Production has 2, Staging has 3"),
        ("pitch", None, "Production", "moon", NotDeployed, "it knows local"),
        (99, None, "Production", "local", NoSuchVersion, "model id 99"),
    ],
)
def test_what_is_missing_is_named_with_what_exists(
    model: str | int, version: int | None, stage: str, environment: str, error: type[SeatrialError], said: str
) -> None:
    with pytest.raises(error, match=said):
        ROUTES.find(Target(model, version, stage, environment))


def test_of_thousands_of_models_a_message_names_some() -> None:
    routes = Routes({"models": {f"model-{number:04d}": {} for number in range(3000)}})
    with pytest.raises(NoSuchModel, match="model-0019 and 2980 more") as raised:
        routes.find(Target("pitsh"))
    assert len(raised.value.message) < 400


def test_what_a_manager_does_not_say_of_captures_has_its_default() -> None:
    rule = ROUTES.find(Target("pitch")).capture
    assert (rule.largest_bytes, rule.without) == (64 * 2**20, ())


@pytest.mark.parametrize(("stage", "production"), [("Production", True), ("Staging", False)])
def test_a_route_says_whether_its_version_is_in_production(stage: str, production: bool) -> None:
    assert ROUTES.find(Target("pitch", stage=stage)).production is production


@pytest.mark.parametrize(
    "damage", [{"capture": None}, {"environments": {"local": {}}}, {"environments": 3}], ids=["rule", "place", "type"]
)
def test_a_document_that_cannot_be_understood_is_no_crash(damage: dict[str, Any]) -> None:
    sound = {"capture": {"share": 0, "per_minute": 0}, "environments": {"local": {"production": 1, "staging": None}}}
    with pytest.raises(ManagerUnavailable, match="cannot be understood"):
        Routes({"models": {"pitch": {**sound, **damage}}}).find(Target("pitch"))
