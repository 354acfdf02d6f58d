"""Who may do what: roles × routes, on the routes that the application really has."""

from __future__ import annotations

import pytest

from seatrial.manager.app import PARTS
from seatrial.manager.guard import GuardedRoute
from seatrial.manager.roles import NEEDED, address
from seatrial.manager.tokens import ROLES
from tests.contract.conftest import Called

VALUES = {
    "model": "tiny",
    "number": "1",
    "model_id": "999999",
    "path:path": "model.onnx",
    "capture_id": "none",
    "trial_id": "none",
    "replica_id": "none",
    "stage": "Staging",
}


def filled(path: str) -> str:
    for name, value in VALUES.items():
        path = path.replace(f"{{{name}}}", value)
    return address(path)


def test_the_table_has_exactly_the_routes_that_there_are() -> None:
    routes = {
        (method, route.path)
        for part in PARTS
        for route in part.router.routes
        if isinstance(route, GuardedRoute)
        for method in route.methods
    }
    assert routes == set(NEEDED)


@pytest.mark.parametrize(("method", "path"), sorted(NEEDED))
def test_each_role_passes_where_the_table_says_so_and_nowhere_else(called: Called, method: str, path: str) -> None:
    needed = NEEDED[method, path]
    called.app.state.guard.failures.__init__()  # each row starts with a clean slate
    without = called.http.request(method, filled(path), json={})
    assert without.status_code == 401
    assert without.headers["WWW-Authenticate"].startswith("Bearer")
    assert without.headers["content-type"] == "application/problem+json"
    for role in ROLES:
        status = called.http.request(method, filled(path), json={}, headers=called.headers(role)).status_code
        if ROLES.index(role) < ROLES.index(needed):
            assert status == 403, role
        else:
            assert status not in (401, 403), role


def test_a_wrong_token_is_slowed_down_and_a_right_one_is_not(called: Called) -> None:
    called.app.state.guard.failures.__init__()
    answers = [called.http.get("/v1/models", headers={"Authorization": f"Bearer guess-{n}"}) for n in range(25)]
    assert [answer.status_code for answer in answers[:20]] == [401] * 20
    assert {answer.status_code for answer in answers[20:]} == {429}
    assert int(answers[-1].headers["Retry-After"]) >= 1
    assert called.http.get("/v1/models", headers=called.headers("researcher")).status_code == 200
    called.app.state.guard.failures.__init__()


def test_a_revoked_token_opens_nothing_from_the_next_request_on(called: Called) -> None:
    from seatrial.manager.tokens import TokenFile

    _, secret = TokenFile(called.home).create("leaver", "operator")
    headers = {"Authorization": f"Bearer {secret}"}
    assert called.http.get("/v1/models", headers=headers).status_code == 200
    TokenFile(called.home).revoke("leaver")
    assert called.http.get("/v1/models", headers=headers).status_code == 401
