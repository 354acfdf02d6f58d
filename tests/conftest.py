"""Settings of every test."""

import signal

import pytest
from hypothesis import settings

settings.register_profile("seatrial", deadline=None)  # machines are noisy: no test fails for being slow
settings.load_profile("seatrial")

LONGEST = ("rollover", "import_mlflow", "make_run", "hdfs", "bad_models", "two_managers", "serving", "chaos")
"""These files begin first: where two processes share the work, none waits at the end for the other's long one."""


def pytest_configure() -> None:
    """Who ends pytest with SIGTERM has the fixtures clear up too, as with Ctrl-C: no server outlives it."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    first = [f"test_{name}.py" for name in LONGEST]
    items.sort(key=lambda item: first.index(item.path.name) if item.path.name in first else len(first))
