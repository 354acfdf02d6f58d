"""`make test-networks`: networks that others made go from `seatrial pack` to Production, uploaded to a folder and to a
real HDFS, on real Airflow, ml-metadata and Triton; then a client calls each by name, and its answers must make sense.

    python -m tests.networks --networks FOLDER [--only file-type …]      the last line is a JSON object
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from quickstart.airflow_api import FINISHED, AirflowAPI, seconds_of
from quickstart.processes import Children
from quickstart.services import ROOT, start_airflow, start_manager
from seatrial import InferenceClient
from seatrial.client.manager_api import ManagerAPI
from seatrial.settings import Settings
from seatrial.tensors import to_npz
from seatrial.waiting import Deadline, wait_until
from tests.hdfs.cluster import HdfsCluster, hdfs_cluster
from tests.networks.networks import NETWORKS, Network

OPTIONS = "- {name: cpu-1x1, cores: 1, threads: 1, price: 1.0}\n"
LIMIT_S = 1800.0


@dataclass(frozen=True)
class Sent:
    """One network on its way: by which name, from which file, as which upload, and when."""

    model: str
    network: Network
    file: Path
    upload: str
    at: float


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.networks")
    parser.add_argument("--networks", type=Path, required=True, help="folder with the unpacked packages")
    parser.add_argument("--only", nargs="+", choices=NETWORKS, default=list(NETWORKS), metavar="NAME")
    arguments = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    with tempfile.TemporaryDirectory(prefix="seatrial-networks-") as folder, hdfs_cluster() as hdfs:
        found = bring_all(Path(folder), hdfs, arguments.networks, arguments.only)
    ok = all(one["ok"] for one in found.values())
    print(json.dumps({"networks": found, "ok": ok}))
    sys.exit(not ok)


def bring_all(home: Path, hdfs: HdfsCluster, networks: Path, only: list[str]) -> dict[str, dict[str, Any]]:
    """Every network by way of a folder and by way of HDFS, all at once; what became of each."""
    roots = {"file": (home / "uploads").as_uri(), "hdfs": f"hdfs://{hdfs.address}/uploads"}
    _configure(home, hdfs, roots)
    (home / "options.yaml").write_text(OPTIONS)
    children = Children()
    try:
        manager, url = start_manager(children, home, options_file=home / "options.yaml")
        token = Settings.read({"SEATRIAL_HOME": str(home)}).token or ""
        airflow = start_airflow(children, home, url, token, settle_s=2.0)
        sent = [_send(home, storage, roots[storage], name, networks) for name in only for storage in roots]
        with manager, InferenceClient(url, token=token) as client:
            return {one.model: _follow(manager, airflow, client, one) for one in sent}
    finally:
        children.stop(print)


def _configure(home: Path, hdfs: HdfsCluster, roots: dict[str, str]) -> None:
    """For this process and all that it starts: the upload roots, and Airflow's connection to HDFS."""
    host, port = hdfs.address.split(":")
    connection = {"conn_type": "webhdfs", "host": host, "port": int(port), "login": "hdfs"}
    os.environ.update(
        SEATRIAL_HOME=str(home),
        SEATRIAL_UPLOADS=" ".join(roots.values()),
        HADOOP_USER_NAME="hdfs",
        AIRFLOW_CONN_WEBHDFS_DEFAULT=json.dumps(connection),
    )
    assert hdfs.rest("PUT", "uploads", "MKDIRS").is_success
    assert hdfs.rest("PUT", "uploads", "SETPERMISSION", permission="777").is_success


def _send(home: Path, storage: str, root: str, name: str, networks: Path) -> Sent:
    """Pack a network with its samples and upload it, by the command line as a researcher would."""
    network, model = NETWORKS[name], f"{name}-{storage}"
    file = next(networks.glob(network.file))
    samples, packed = home / "samples" / name, home / "packed" / model
    if not samples.exists():
        samples.mkdir(parents=True)
        for number, request in enumerate(network.requests()):
            (samples / f"{number}.npz").write_bytes(to_npz(request))
    _seatrial(
        "pack", str(file), str(samples), "--to", str(packed), "--name", model, "--latency-ms", str(network.latency_ms)
    )
    at = time.time()
    upload = str(_seatrial("upload", str(packed), "--root", root)["upload"])
    print(f"{model}: {upload}", flush=True)
    return Sent(model, network, file, upload, at)


def _seatrial(*arguments: str) -> dict[str, Any]:
    command = [str(ROOT / ".venv-manager" / "bin" / "seatrial"), *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)}: {done.stderr}")
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def _follow(manager: ManagerAPI, airflow: AirflowAPI, client: InferenceClient, sent: Sent) -> dict[str, Any]:
    """What became of an upload: its run, its stage, its capacity, and what a client is answered."""

    def ended() -> dict[str, Any] | None:
        run = airflow.run_of_upload(sent.upload)
        return run if run and run["state"] in FINISHED else None

    run = wait_until(ended, Deadline.after(LIMIT_S), f"the run of {sent.upload} ends")
    found: dict[str, Any] = {"run": run["state"], "s": round(seconds_of(run["end_date"]) - sent.at, 1), "ok": False}
    if run["state"] == "success":
        production = manager.model(sent.model)["stages"]["local"]["production"]
        answers = [client.infer(sent.model, request) for request in sent.network.requests()]
        says = [sent.network.says(answer, sent.file) for answer in answers]
        cell = manager.policy(sent.model)
        found |= {"production": production, "says": says, "policy": cell["explanation"]}
        found["ok"] = production == 1 and says == list(sent.network.expected)
    else:
        found["failed"] = [task["task_id"] for task in _tasks(airflow, run) if task["state"] == "failed"]
    print(f"{sent.model}: {found}", flush=True)
    return found


def _tasks(airflow: AirflowAPI, run: dict[str, Any]) -> list[dict[str, Any]]:
    return airflow.tasks("model_version", run["dag_run_id"])


def _end(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    main()
