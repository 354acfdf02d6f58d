from __future__ import annotations

from typing import Any

import pytest

from seatrial.client.routes import Routes, Target
from seatrial.errors import NoSuchModel, NoSuchVersion, NotDeployed, SeatrialError


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
        ("pitch", None, "Archived", "local", NotDeployed, "no version in Archived"),
        ("pitch", None, "Production", "moon", NotDeployed, "it knows local"),
        (99, None, "Production", "local", NoSuchVersion, "model id 99"),
    ],
)
def test_what_is_missing_is_named_with_what_exists(
    model: str | int, version: int | None, stage: str, environment: str, error: type[SeatrialError], said: str
) -> None:
    with pytest.raises(error, match=said):
        ROUTES.find(Target(model, version, stage, environment))
