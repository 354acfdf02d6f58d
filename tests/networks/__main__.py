"""`make test-networks`: networks that others made go from `seatrial pack` to Production, uploaded to a folder and to a
real HDFS, on real Airflow, ml-metadata and Triton; then a client calls each by name, and its answers must make sense.

    python -m tests.networks --networks FOLDER [--only file-type …]      the last line is a JSON object
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from quickstart.airflow_api import FINISHED, AirflowAPI, seconds_of
from quickstart.processes import Children
from quickstart.services import ROOT, start_airflow, start_manager
from seatrial import InferenceClient
from seatrial.client.manager_api import ManagerAPI
from seatrial.settings import Settings
from seatrial.tensors import to_npz
from seatrial.waiting import Deadline, wait_until
from tests.ended import clear_up_when_ended
from tests.hdfs.cluster import HdfsCluster, hdfs_cluster
from tests.networks.networks import NETWORKS, Network

OPTIONS = "- {name: cpu-1x1, cores: 1, threads: 1, price: 1.0}\n"
LIMIT_S = 1800.0
STORAGES = ("file", "hdfs")

Found = dict[str, dict[str, Any]]
"""By the name of a model: `ok`, and what is said of it."""
Given = TypeVar("Given")
Made = TypeVar("Made")


@dataclass(frozen=True)
class Packed:
    """One network in the folder that `seatrial pack` made of it: by which name it goes, from which file, to where."""

    model: str
    network: Network
    file: Path
    folder: Path
    storage: str


@dataclass(frozen=True)
class Sent:
    """One network on its way: as which upload, and since when."""

    packed: Packed
    upload: str
    at: float


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.networks")
    parser.add_argument("--networks", type=Path, required=True, help="folder with the unpacked packages")
    parser.add_argument("--only", nargs="+", choices=NETWORKS, default=list(NETWORKS), metavar="NAME")
    arguments = parser.parse_args()
    clear_up_when_ended()
    try:
        with tempfile.TemporaryDirectory(prefix="seatrial-networks-") as folder:
            found = bring_all(Path(folder), arguments.networks, arguments.only)
        summary = {"networks": found, "ok": all(one["ok"] for one in found.values())}
    except Exception as error:  # in what all of them need
        summary = failed(error)
    print(json.dumps(summary))
    sys.exit(not summary["ok"])


def failed(error: Exception) -> dict[str, Any]:
    return {"ok": False, "error": f"{type(error).__name__}: {error}"[:500]}


def each(act: Callable[[Given], Made], given: Mapping[str, Given], failures: Found) -> dict[str, Made]:
    """What `act` makes of each by its name; where it raises, the reason is put with `failures` and the others go on."""
    made = {}
    for name, one in given.items():
        try:
            made[name] = act(one)
        except Exception as error:
            failures[name] = failed(error)
            print(f"{name}: {failures[name]}", flush=True)
    return made


def bring_all(home: Path, networks: Path, only: list[str]) -> Found:
    """Every network by way of a folder and by way of HDFS, all at once; what became of each."""
    failures: Found = {}
    asked = {f"{name}-{storage}": (name, storage) for name in only for storage in STORAGES}
    packed = each(lambda one: _pack(home, networks, *one), asked, failures)
    if not packed:
        return failures
    with hdfs_cluster() as hdfs:
        ended = _bring(home, hdfs, packed, failures)
    return failures | ended


def _bring(home: Path, hdfs: HdfsCluster, packed: Mapping[str, Packed], failures: Found) -> Found:
    """Upload all, on a platform of their own, and follow them to their ends."""
    roots = dict(zip(STORAGES, ((home / "uploads").as_uri(), f"hdfs://{hdfs.address}/uploads"), strict=True))
    _configure(home, hdfs, roots)
    (home / "options.yaml").write_text(OPTIONS)
    children = Children()
    try:
        manager, url = start_manager(children, home, options_file=home / "options.yaml")
        token = Settings.read({"SEATRIAL_HOME": str(home)}).token or ""
        airflow = start_airflow(children, home, url, token, settle_s=2.0)
        sent = each(lambda one: _send(one, roots[one.storage]), packed, failures)
        with manager, InferenceClient(url, token=token) as client:
            return each(lambda one: _follow(manager, airflow, client, one), sent, failures)
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


def _pack(home: Path, networks: Path, name: str, storage: str) -> Packed:
    """Pack a network with its samples, by the command line as a researcher would."""
    network, model = NETWORKS[name], f"{name}-{storage}"
    file = next(networks.glob(network.file), None)
    if file is None:
        raise FileNotFoundError(f"no {network.file} in {networks}")
    samples, folder = home / "samples" / name, home / "packed" / model
    if not samples.exists():
        samples.mkdir(parents=True)
        for number, request in enumerate(network.requests()):
            (samples / f"{number}.npz").write_bytes(to_npz(request))
    _seatrial(
        "pack", str(file), str(samples), "--to", str(folder), "--name", model, "--latency-ms", str(network.latency_ms)
    )
    return Packed(model, network, file, folder, storage)


def _send(packed: Packed, root: str) -> Sent:
    at = time.time()
    upload = str(_seatrial("upload", str(packed.folder), "--root", root)["upload"])
    print(f"{packed.model}: {upload}", flush=True)
    return Sent(packed, upload, at)


def _seatrial(*arguments: str) -> dict[str, Any]:
    command = [str(ROOT / ".venv-manager" / "bin" / "seatrial"), *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"seatrial {' '.join(arguments)}: {done.stderr}")
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def _follow(manager: ManagerAPI, airflow: AirflowAPI, client: InferenceClient, sent: Sent) -> dict[str, Any]:
    """What became of an upload: its run, its stage, its capacity, and what a client is answered."""

    def ended() -> dict[str, Any] | None:
        run = airflow.run_of_upload(sent.upload)
        return run if run and run["state"] in FINISHED else None

    model, network = sent.packed.model, sent.packed.network
    run = wait_until(ended, Deadline.after(LIMIT_S), f"the run of {sent.upload} ends")
    found: dict[str, Any] = {"run": run["state"], "s": round(seconds_of(run["end_date"]) - sent.at, 1), "ok": False}
    if run["state"] == "success":
        production = manager.model(model)["stages"]["local"]["production"]
        answers = [client.infer(model, request) for request in network.requests()]
        says = [network.says(answer, sent.packed.file) for answer in answers]
        cell = manager.policy(model)
        found |= {"production": production, "says": says, "policy": cell["explanation"]}
        found["ok"] = production == 1 and says == list(network.expected)
    else:
        found["failed"] = [task["task_id"] for task in _tasks(airflow, run) if task["state"] == "failed"]
    print(f"{model}: {found}", flush=True)
    return found


def _tasks(airflow: AirflowAPI, run: dict[str, Any]) -> list[dict[str, Any]]:
    return airflow.tasks("model_version", run["dag_run_id"])


if __name__ == "__main__":
    main()
