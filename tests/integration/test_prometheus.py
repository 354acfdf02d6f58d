"""A real Prometheus, set up as docs/operations.md says, scrapes a real manager and a real Triton."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

pytest.importorskip("ml_metadata", reason="the manager runs in its own environment only")

from seatrial.client.client import InferenceClient
from seatrial.client.manager_api import ManagerAPI
from seatrial.settings import Settings
from seatrial.waiting import Deadline, wait_until
from tests.managers import environ_of, managers
from tests.models import tiny_sample, write_upload
from tests.prometheus import Prometheus, prometheus
from tests.served import serve

ROOT = Path(__file__).parents[2]
OPERATIONS = ROOT / "docs" / "operations.md"
DASHBOARD = ROOT / "deploy" / "grafana" / "seatrial.json"
CALLS = 7


@dataclass
class Scraped:
    """`tiny`@1 in Production, its first replica killed, its second one called CALLS times. `replica` is that one."""

    prometheus: Prometheus
    api: ManagerAPI
    model_id: int
    replica: dict[str, Any]


def block(name: str, language: str) -> str:
    found = re.search(rf"<!-- tried: {name} -->\n```{language}\n(.*?)```", OPERATIONS.read_text(), re.DOTALL)
    assert found, f"{OPERATIONS.name} has no block {name!r}"
    return found[1]


def configuration(api: ManagerAPI, home: Path, environ: dict[str, str]) -> str:
    """That of the page, for this manager, and faster than one second's patience with it."""
    token_file = home / "prometheus.token"
    environ = {**environ, "TOKEN_FILE": str(token_file), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    subprocess.run(["bash", "-euo", "pipefail", "-c", block("prometheus token", "sh")], env=environ, check=True)
    assert token_file.stat().st_mode & 0o077 == 0
    text = block("prometheus.yml", "yaml").replace("TOKEN_FILE", str(token_file))
    return text.replace("127.0.0.1:8765", api.url.removeprefix("http://")).replace("_interval: 15s", "_interval: 1s")


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scraped]:
    home = tmp_path_factory.mktemp("home")
    environ = environ_of(home)
    with managers(environ) as (api,):
        model_id = serve(api, write_upload(home / "uploads" / "first"))
        with prometheus(tmp_path_factory.mktemp("prometheus"), configuration(api, home, environ)) as found:
            found.wait_for('seatrial_replica_failures_total{model="tiny",phase="serving"}', 0)
            _kill_its_replica(api, model_id)
            settings = Settings.read(environ)
            with InferenceClient(settings.manager_url, token=settings.token) as client:
                for _ in range(CALLS):
                    client.infer("tiny", tiny_sample())
                found.wait_for('seatrial_replica_failures_total{model="tiny",phase="serving"}', 1)
                found.wait_for("sum(seatrial_discovery_waiters)", 1)
                yield Scraped(found, api, model_id, _replica(api, model_id))


def _replica(api: ManagerAPI, model_id: int) -> dict[str, Any]:
    (found,) = api.deployment(model_id)["replicas"]
    return dict(found)


def _kill_its_replica(api: ManagerAPI, model_id: int) -> None:
    first = _replica(api, model_id)
    os.kill(first["pid"], signal.SIGKILL)

    def replaced() -> bool:
        found = api.deployment(model_id)
        return found["state"] == "ready" and first["id"] not in [replica["id"] for replica in found["replicas"]]

    wait_until(replaced, Deadline.after(60), "the killed replica is replaced")


def labels(scraped: Scraped, **more: str) -> str:
    own = {"model": "tiny", "version": "1", "model_id": str(scraped.model_id), "environment": "local"}
    return ",".join(f'{name}="{value}"' for name, value in {**own, "stage": "Production", **more}.items())


def test_tritons_own_count_arrives_under_the_names_that_the_manager_gives_its_replica(scraped: Scraped) -> None:
    page = httpx.get(f"http://{scraped.replica['metrics_address']}/metrics", trust_env=False).text
    counted = re.search(r'nv_inference_request_success{model="tiny",version="1"} (\d+)', page)
    assert counted is not None
    assert int(counted[1]) >= CALLS
    series = f"nv_inference_request_success{{{labels(scraped, replica=scraped.replica['id'])}}}"
    scraped.prometheus.wait_for(series, int(counted[1]))
    assert scraped.prometheus.query('{__name__=~"nv_.*",exported_model!=""}') == []


def test_what_was_done_is_counted(scraped: Scraped) -> None:
    expected = {
        'seatrial_deployments{state="ready"}': 1,
        'seatrial_deployments{state="failed"}': 0,
        'seatrial_replicas{purpose="deployment",state="ready"}': 1,
        f"seatrial_deployment_replicas_wanted{{{labels(scraped)}}}": 1,
        f"seatrial_deployment_replicas_ready{{{labels(scraped)}}}": 1,
        'seatrial_replica_starts_total{model="tiny",purpose="deployment"}': 2,
        'seatrial_replica_restarts_total{model="tiny"}': 1,
        'seatrial_replica_failures_total{model="tiny",phase="starting"}': 0,
        'seatrial_replica_start_seconds_count{purpose="deployment"}': 2,
        'seatrial_rollover_seconds_count{phase="ready"}': 1,
        'seatrial_rollover_seconds_count{phase="moved"}': 1,
        'sum by (stage) (seatrial_stage_moves_total{model="tiny",stage="Production"})': 1,
        'seatrial_http_requests_total{method="POST",route="/v1/models/{model}/stage-moves",status="201"}': 2,
        'sum(seatrial_registry_errors_total{error="try-again"})': 0,
        'up{job="seatrial-manager"}': 1,
    }
    for expression, value in expected.items():
        scraped.prometheus.wait_for(expression, value)


def test_only_replicas_that_run_are_targets(scraped: Scraped) -> None:
    up = 'up{job="seatrial-replicas"} == 1'
    wait_until(lambda: len(scraped.prometheus.query(up)) == 1, Deadline.after(60), "one replica is scraped")
    (target,) = scraped.prometheus.query(up)
    assert target["metric"]["replica"] == scraped.replica["id"]
    assert target["metric"]["instance"] == scraped.replica["metrics_address"]


def panels(dashboard: dict[str, Any]) -> list[tuple[str, str]]:
    return [(panel["title"], target["expr"]) for panel in dashboard["panels"] for target in panel.get("targets", [])]


def filled(expression: str) -> str:
    """As Grafana sends it when everything is chosen."""
    return re.sub(r"\$(model|environment)\b", ".*", expression.replace("$__rate_interval", "1m"))


BOARD = json.loads(DASHBOARD.read_text())


@pytest.mark.parametrize(("title", "expression"), panels(BOARD))
def test_every_expression_of_the_dashboard_has_an_answer(scraped: Scraped, title: str, expression: str) -> None:
    assert "$" not in filled(expression), "a variable that Grafana would not know"
    asked = filled(expression)
    wait_until(lambda: scraped.prometheus.query(asked), Deadline.after(60), f"{title}: {asked} has a series")


def test_the_dashboards_variables_and_marks_ask_for_what_there_is(scraped: Scraped) -> None:
    queries = [variable["query"] for variable in BOARD["templating"]["list"] if variable["type"] == "query"]
    for query in queries:
        series, label = re.fullmatch(r"label_values\((.*), (\w+)\)", query).groups()  # type: ignore[union-attr]
        assert {found["metric"].get(label) for found in scraped.prometheus.query(filled(series))} - {None}, query
    for mark in BOARD["annotations"]["list"]:
        scraped.prometheus.query(filled(mark["expr"]))


def test_every_alert_of_the_page_is_an_expression_about_series_that_there_are(scraped: Scraped) -> None:
    alerts = re.findall(r"^\| `([^`]+)`", OPERATIONS.read_text().partition("Worth an alert:")[2], re.MULTILINE)
    assert len(alerts) >= 5
    for alert in alerts:
        scraped.prometheus.query(alert)
        for name in re.findall(r"\b(?:seatrial_\w+|up\b)", alert):
            assert scraped.prometheus.query(name), f"{alert}: nothing is called {name}"
