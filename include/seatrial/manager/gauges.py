"""What is there when Prometheus asks: deployments, replicas, waiting clients; and where each replica is scraped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily, Metric

from seatrial.manager.replica_events import purpose_of
from seatrial.serving.spec import Deployment

if TYPE_CHECKING:
    from seatrial.manager.composition import InferenceManager

STATES = ("starting", "ready", "draining", "failed")
PURPOSES = ("deployment", "trial")
LABELS = ("model", "version", "model_id", "environment", "stage")


class Gauges:
    """A collector of prometheus_client. Collected anew for each scrape; nothing of it is kept."""

    def __init__(self, manager: InferenceManager) -> None:
        self._manager = manager

    def collect(self) -> Iterator[Metric]:
        deployments = self._manager.deployments.all()
        yield self._deployments(deployments)
        yield self._replicas()
        yield from self._wanted_and_ready(deployments)
        yield GaugeMetricFamily(
            "seatrial_discovery_waiters", "Clients that wait for news.", value=self._manager.news.waiting
        )

    def describe(self) -> Iterator[Metric]:
        """Nothing is asked of the manager while it is being put together."""
        return iter(())

    def _deployments(self, deployments: list[Deployment]) -> Metric:
        gauge = GaugeMetricFamily("seatrial_deployments", "Deployments.", labels=["environment", "state"])
        counts = Counter[tuple[str, str]]((found.spec.environment, found.state) for found in deployments)
        for environment in sorted({"local", *(environment for environment, _ in counts)}):
            for state in STATES:
                gauge.add_metric([environment, state], counts[environment, state])
        return gauge

    def _replicas(self) -> Metric:
        gauge = GaugeMetricFamily("seatrial_replicas", "Inference Servers.", labels=["purpose", "state"])
        records = self._manager.backend.records()
        self._manager.replica_events.forget_all_but(records)
        counts = Counter[tuple[str, str]]((purpose_of(record), record.state) for record in records.values())
        for purpose in PURPOSES:
            for state in STATES:
                gauge.add_metric([purpose, state], counts[purpose, state])
        return gauge

    def _wanted_and_ready(self, deployments: list[Deployment]) -> Iterator[Metric]:
        wanted = GaugeMetricFamily("seatrial_deployment_replicas_wanted", "Replicas that shall serve.", labels=LABELS)
        ready = GaugeMetricFamily("seatrial_deployment_replicas_ready", "Replicas that serve.", labels=LABELS)
        for deployment in deployments:
            labels = list(labels_of(self._manager, deployment).values())
            wanted.add_metric(labels, 0 if deployment.state == "draining" else deployment.spec.replicas)
            ready.add_metric(labels, sum(replica.state == "ready" for replica in deployment.replicas))
        yield from (wanted, ready)


def labels_of(manager: InferenceManager, deployment: Deployment) -> dict[str, str]:
    """By which its series are told apart, in the order of LABELS."""
    spec = deployment.spec
    return {
        "model": spec.served.name,
        "version": str(spec.served.version),
        "model_id": str(spec.model_id),
        "environment": spec.environment,
        "stage": manager.stage_of(spec) or "",  # empty is no label to Prometheus
    }


def targets(manager: InferenceManager) -> list[dict[str, object]]:
    """The replicas of deployments that serve or drain, in the form of Prometheus's HTTP service discovery."""
    return [
        {"targets": [replica.metrics_address], "labels": {**labels_of(manager, deployment), "replica": replica.id}}
        for deployment in manager.deployments.all()
        for replica in deployment.replicas
        if replica.state in ("ready", "draining") and replica.metrics_address
    ]
