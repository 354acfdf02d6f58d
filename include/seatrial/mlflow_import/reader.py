"""MLflow's records and files, read by MLflow's own client: a script for any Python that has MLflow, without Seatrial.

`PYTHON reader.py SOURCE` answers each line of stdin with a line of JSON, until stdin ends:

    {"list": true}                                     → {"mlflow": "3.17.2", "versions": [a VersionRecord each]}
    {"model": "Pitch", "version": 1, "to": "/folder"}  → {"folder": where its files are now}

What MLflow prints goes to stderr. Nothing of a model is loaded: files are only copied. Exit status 3: there is no
MLflow here.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

NO_MLFLOW = 3
PAGE = 200
MOST_FILES = 2000
DEEPEST = 8


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # its own default tries for minutes
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # new releases refuse a tracking directory without it
    try:
        import mlflow
    except ModuleNotFoundError as error:
        if error.name != "mlflow":
            raise
        sys.exit(NO_MLFLOW)
    mlflow.set_tracking_uri(sys.argv[1])
    mlflow.set_registry_uri(sys.argv[1])
    client = mlflow.MlflowClient()
    for line in sys.stdin:
        wanted = json.loads(line)
        if "list" in wanted:
            answer = {"mlflow": mlflow.__version__, "versions": _versions(mlflow, client)}
        else:
            uri = client.get_model_version_download_uri(wanted["model"], str(wanted["version"]))
            answer = {"folder": mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=wanted["to"])}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _versions(mlflow: Any, client: Any) -> list[dict[str, Any]]:
    found = []
    for model in _pages(client.search_registered_models):
        quoted = model.name.replace("'", "''")
        for version in _pages(lambda **page: client.search_model_versions(f"name = '{quoted}'", **page)):  # noqa: B023
            found.append(_version(mlflow, client, model, version))
    return sorted(found, key=lambda record: (record["model"], record["version"]))


def _version(mlflow: Any, client: Any, model: Any, version: Any) -> dict[str, Any]:
    number = int(version.version)
    record = {
        "model": model.name,
        "version": number,
        "aliases": sorted(alias for alias, at in model.aliases.items() if int(at) == number),
        "stage": version.current_stage or "None",
        "description": version.description or model.description or "",
        "tags": {**model.tags, **version.tags},
        "run_id": version.run_id or "",
        **_run(mlflow, client, version.run_id),
        "files": [],
        "mlmodel": {},
        "flaw": "",
    }
    record["user"] = record["user"] or version.user_id or ""
    try:
        uri = client.get_model_version_download_uri(model.name, version.version)
        record["files"] = _files(mlflow, uri)
        record["mlmodel"] = _mlmodel(mlflow, uri)
    except Exception as error:  # one version whose files are gone must not hide the others
        record["flaw"] = " ".join(str(error).split())[:300] or type(error).__name__
    return record


def _run(mlflow: Any, client: Any, run_id: str | None) -> dict[str, Any]:
    try:
        run = client.get_run(run_id) if run_id else None
    except mlflow.exceptions.MlflowException:  # deleted since
        run = None
    if run is None:
        return {"user": "", "metrics": {}, "params": {}, "run_tags": {}}
    return {
        "user": run.data.tags.get("mlflow.user", ""),
        "metrics": {name: value for name, value in run.data.metrics.items() if abs(value) < float("inf")},
        "params": dict(run.data.params),
        "run_tags": dict(run.data.tags),
    }


def _files(mlflow: Any, uri: str) -> list[str]:
    """Paths of all files below, relative to the model's folder."""
    found: list[str] = []
    waiting = [("", 0)]
    while waiting:
        folder, depth = waiting.pop()
        for entry in mlflow.artifacts.list_artifacts(artifact_uri=f"{uri.rstrip('/')}/{folder}".rstrip("/")):
            path = f"{folder}/{Path(entry.path).name}".lstrip("/")
            if not entry.is_dir:
                found.append(path)
            elif depth < DEEPEST:
                waiting.append((path, depth + 1))
        if len(found) > MOST_FILES:
            raise ValueError(f"more than {MOST_FILES} files")
    return sorted(found)


def _mlmodel(mlflow: Any, uri: str) -> dict[str, Any]:
    import yaml

    with tempfile.TemporaryDirectory() as folder:
        path = mlflow.artifacts.download_artifacts(artifact_uri=f"{uri.rstrip('/')}/MLmodel", dst_path=folder)
        document = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    kept = ("flavors", "saved_input_example_info")
    return {name: document[name] for name in kept if isinstance(document, dict) and document.get(name)}


def _pages(search: Any) -> list[Any]:
    found: list[Any] = []
    token = None
    while True:
        page = search(max_results=PAGE, page_token=token)
        found += page
        token = page.token
        if not token:
            return found


if __name__ == "__main__":
    main()
