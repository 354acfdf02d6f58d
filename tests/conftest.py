"""Settings of every test, and the servers that tests of several folders share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.hdfs.cluster import HdfsCluster, hdfs_cluster

settings.register_profile("seatrial", deadline=None)  # machines are noisy: no test fails for being slow
settings.load_profile("seatrial")


@pytest.fixture(scope="session")
def hdfs() -> Iterator[HdfsCluster]:
    """One HDFS for the session; a test takes a folder of it. Nobody may stop this one."""
    with hdfs_cluster() as cluster:
        yield cluster
