"""The eight steps of a run on real servers and PostgreSQL; then its lineage, by ml-metadata's own calls alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ml_metadata", reason="ml-metadata is in the manager's environment only")

from ml_metadata.metadata_store import ListOptions
from ml_metadata.metadata_store.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as pb

from seatrial.profiling.cell import Capacity
from seatrial.registry.mlmd_store import Registry
from seatrial.served_model import ServedModel
from seatrial.steps.check_format import check_format
from seatrial.steps.choose_hardware import choose_hardware
from seatrial.steps.deploy import deploy_to_staging
from seatrial.steps.profile_hardware import profile_hardware
from seatrial.steps.promote import promote
from seatrial.steps.push_autoscaling import push_autoscaling
from seatrial.steps.register import register
from seatrial.steps.run import Run
from seatrial.steps.shadow_validate import shadow_validate
from seatrial.tensors import Signature
from seatrial.waiting import Deadline
from tests.databases import PASSWORD, USER
from tests.managers import environ_of, managers
from tests.models import write_upload
from tests.postgres import PostgresServer
from tests.storages import upload_in

OPTION: dict[str, Any] = {"name": "cpu-1x1", "cores": 1, "threads": 1}
DOCUMENTED = {
    "CheckFormat",
    "DeployToStaging",
    "ShadowValidate",
    "Payload",
    "ProfileHardware",
    "ChooseHardware",
    "Promote",
    "PushAutoscaling",
}
MEASURED = Capacity(
    feasible=True,
    method="model",
    mu=120.0,
    lambda_max=100.0,
    lambda_low=95.0,
    lambda_high=105.0,
    verified_at=95.0,
    p50_ms=10.0,
    p95_ms=20.0,
    p99_ms=30.0,
    idle_p50_ms=8.0,
    cpu_cores_mean=1.0,
    cpu_cores_peak=1.0,
    memory_mb_peak=100.0,
    seed=1,
    seconds=9.0,
)
STORE = pb.LineageSubgraphQueryOptions


class Lineage:
    """The graph around one version: what ml-metadata finds in so many hops from it."""

    def __init__(self, store: MetadataStore, name: str, *, direction: int, hops: int) -> None:
        start = STORE.StartingNodes(filter_query=f"type = 'ModelVersion' AND name = '{name}'")
        found = store.get_lineage_subgraph(STORE(starting_artifacts=start, max_num_hops=hops, direction=direction))
        types = {t.id: t.name for t in (*store.get_artifact_types(), *store.get_execution_types())}
        self._artifacts = {artifact.id: types[artifact.type_id] for artifact in found.artifacts}
        self.executions = {execution.id: types[execution.type_id] for execution in found.executions}
        self._events = list(found.events)

    def around(self, kind: str) -> set[tuple[str, str, str]]:
        """(INPUT or OUTPUT, its part, type of the artifact) of all executions of a kind."""
        return {
            (pb.Event.Type.Name(event.type), event.path.steps[0].key, self._artifacts[event.artifact_id])
            for event in self._events
            if self.executions[event.execution_id] == kind
        }


@pytest.fixture(scope="module")
def finished(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> MetadataStore:
    """The store after one version went through all steps."""
    home = tmp_path_factory.mktemp("home")
    connection = postgres.new_database()
    with managers(environ_of(home, SEATRIAL_REGISTRY=connection)) as [api], pytest.MonkeyPatch.context() as patch:
        patch.setattr("seatrial.steps.profile_hardware.measure_capacity", lambda *_: MEASURED)  # minutes
        patch.setattr("seatrial.steps.choose_hardware.capacity_table", repr)  # pandas is in Airflow's environment only
        run = Run(api=api, id="run/1", who="a test", deadline=Deadline.after(300), progress=print)
        objective = {"percentile": 99, "latency_ms": 1000.0}
        upload = write_upload(home / "uploads" / "first", objective=objective)
        version = register(run, upload_in(upload), check_format(run, upload_in(upload)))
        deploy_to_staging(run, version["model_id"])
        shadow_validate(run, version["model_id"])
        profile_hardware(run, version["model_id"], OPTION)
        policy = choose_hardware(run, version["model_id"])
        promote(run, version["model_id"], policy, expect_production=None)
        push_autoscaling(run, "tiny", policy)
    config = pb.ConnectionConfig()
    config.postgresql.host, config.postgresql.port = "127.0.0.1", str(postgres.port)
    config.postgresql.user, config.postgresql.password = USER, f"'{PASSWORD}'"
    config.postgresql.dbname = connection.rpartition("/")[2]
    return MetadataStore(config)


def test_every_step_is_an_execution_with_inputs_and_outputs(finished: MetadataStore) -> None:
    lineage = Lineage(finished, "tiny@1", direction=STORE.BIDIRECTIONAL, hops=2)
    assert set(lineage.executions.values()) == DOCUMENTED | {"RegisterVersion", "StageMove"}
    assert lineage.around("RegisterVersion") == {("INPUT", "upload", "Upload"), ("OUTPUT", "version", "ModelVersion")}
    for step in DOCUMENTED:
        assert lineage.around(step) == {("INPUT", "version", "ModelVersion"), ("OUTPUT", "document", "Evidence")}
    assert lineage.around("StageMove") == {("INPUT", "version", "ModelVersion")}


def test_upstream_of_a_version_is_the_upload_and_downstream_its_evidence(finished: MetadataStore) -> None:
    assert set(Lineage(finished, "tiny@1", direction=STORE.UPSTREAM, hops=2).executions.values()) == {"RegisterVersion"}
    downstream = Lineage(finished, "tiny@1", direction=STORE.DOWNSTREAM, hops=2)
    assert set(downstream.executions.values()) == DOCUMENTED | {"StageMove"}


def test_the_context_of_a_model_holds_versions_uploads_registrations_and_moves(finished: MetadataStore) -> None:
    context = finished.get_context_by_type_and_name("RegisteredModel", "tiny")
    assert sorted(found.type for found in finished.get_artifacts_by_context(context.id)) == ["ModelVersion", "Upload"]
    moves = [found.name for found in finished.get_executions_by_context(context.id) if found.type == "StageMove"]
    assert sorted(moves) == ["tiny#1", "tiny#2"]


def test_the_stores_own_search_finds_versions_by_what_was_said_of_them(tmp_path: Path) -> None:
    path = tmp_path / "registry.sqlite"
    served = ServedModel(
        name="m", version=1, format="onnx", main_file="m.onnx", files={"m.onnx": "a" * 64}, signature=Signature((), ())
    )
    registry = Registry(f"sqlite:///{path}")
    for at, f1 in enumerate((0.25, 0.75), 1):
        manifest = {"user": "ann", "metrics": {"f1": f1}, "tags": {"team": "audio"}}
        registry.register("pitch", f"d{at}", served=served, manifest=manifest)
    config = pb.ConnectionConfig()
    config.sqlite.filename_uri = str(path)
    config.sqlite.connection_mode = pb.SqliteMetadataSourceConfig.READONLY
    query = "properties.user.string_value = 'ann' AND custom_properties.`metric.f1`.double_value > 0.5"
    found = MetadataStore(config).get_artifacts(ListOptions(filter_query=query))
    assert [artifact.name for artifact in found] == ["pitch@2"]
