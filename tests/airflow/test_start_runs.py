"""The dispatcher in a real Airflow: its database, its supervisor, a pipeline that does nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.airflow.trivial import make_dags

ROOT = Path(__file__).parents[2]

STORY = """
import json, sys
from pathlib import Path
from sqlalchemy import delete, select
from airflow.assets.manager import AssetManager
from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
from airflow.models.asset import AssetModel
from airflow.models.asset_state_store import AssetStateStoreModel
from airflow.models.dagrun import DagRun
from airflow.utils.db import initdb
from airflow.utils.session import create_session
from operators.assets import uploads

initdb()
DagBundlesManager().sync_bundles_to_db()
bag = DagBag(sys.argv[1], bundle_path=Path(sys.argv[1]), bundle_name="dags-folder")
sync_bag_to_db(bag, "dags-folder", None)

def tell(*numbers):
    with create_session() as session:
        asset = session.scalar(select(AssetModel).where(AssetModel.name == uploads.name))
        for number in numbers:
            name = f"/u/{number} {{{{ 7 * 7 }}}}"
            payload = {"id": f"{number:016x}", "upload": name, "root": "file:///u", "told_ns": number}
            AssetManager.register_asset_change(
                asset=asset, extra={"from_trigger": True, "payload": payload}, session=session
            )

def dispatch():
    run = bag.dags["uploads"].test()
    with create_session() as session:
        runs = session.scalars(select(DagRun).where(DagRun.dag_id == "model_version")).all()
        records = session.scalars(select(AssetStateStoreModel)).all()
        return {
            "state": str(run.state),
            "runs": len(runs),
            "uploads": len({one.conf["upload"] for one in runs}),
            "example": min((one.conf["upload"], one.run_id) for one in runs),
            "records": sum(len(json.loads(one.value)) for one in records if one.key.startswith("done.")),
            "longest": max(len(one.value) for one in records),
        }

def forget():
    with create_session() as session:
        session.execute(delete(AssetStateStoreModel))

found = []
tell(*range(300), *range(50))
found.append(dispatch())
tell(7, 300)
found.append(dispatch())
forget()
found.append(dispatch())
print("FOUND " + json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    home = tmp_path_factory.mktemp("airflow")
    dags = make_dags(home / "dags")
    env = os.environ | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        [sys.executable, "-c", STORY, str(dags)], env=env, capture_output=True, text=True, check=False
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("FOUND ")]
    assert lines, done.stdout[-5000:] + done.stderr[-5000:]
    return json.loads(lines[0][6:])  # type: ignore[no-any-return]


def test_more_events_than_are_read_at_once_have_one_run_each(found: list[dict[str, Any]]) -> None:
    first = found[0]
    assert (first["state"], first["runs"], first["uploads"], first["records"]) == ("success", 300, 300, 300)
    assert first["longest"] < 65_535


def test_an_upload_that_is_told_twice_has_one_run(found: list[dict[str, Any]]) -> None:
    assert (found[1]["runs"], found[1]["records"]) == (301, 301)


def test_lost_records_start_no_second_run_and_are_written_again(found: list[dict[str, Any]]) -> None:
    assert (found[2]["runs"], found[2]["records"]) == (301, 301)


def test_the_name_of_an_upload_is_no_template(found: list[dict[str, Any]]) -> None:
    assert found[0]["example"] == ["/u/0 {{ 7 * 7 }}", "upload__0000000000000000"]
