"""Settings of every test."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from tests.hdfs.cluster import HdfsCluster

settings.register_profile("seatrial", deadline=None)  # machines are noisy: no test fails for being slow
settings.load_profile("seatrial")

LONGEST = (
    "rollover",
    "import_mlflow",
    "make_run",
    "hdfs",
    "hdfs_check",
    "hdfs_uploads",
    "sending",
    "bad_models",
    "two_managers",
    "serving",
    "chaos",
)
"""These files begin first: where two processes share the work, none waits at the end for the other's long one."""


def pytest_configure() -> None:
    """Who ends pytest with SIGTERM has the fixtures clear up too, as with Ctrl-C: no server outlives it."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    first = [f"test_{name}.py" for name in LONGEST]
    items.sort(key=lambda item: first.index(item.path.name) if item.path.name in first else len(first))


@pytest.fixture(scope="session")
def cluster() -> Iterator[HdfsCluster]:
    """One HDFS for all tests of this process; each takes a folder of it, and none stops it but by `broken`."""
    from tests.hdfs.cluster import hdfs_cluster

    with hdfs_cluster() as cluster:
        yield cluster


@pytest.fixture
def broken(cluster: HdfsCluster) -> Iterator[HdfsCluster]:
    """The same, for a test to stop or to hang; mended when that has ended."""
    yield cluster
    cluster.mend()
