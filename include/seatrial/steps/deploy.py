"""Servers for one version: wanted from the manager, waited for until every replica answered its warm-up request."""

from __future__ import annotations

from typing import Any

from seatrial.errors import ServerFailed
from seatrial.hardware import HardwareOption
from seatrial.serving.spec import Deployment
from seatrial.steps.run import Run
from seatrial.steps.staging import staging_to_displace, take_staging
from seatrial.waiting import wait_until


def deploy(run: Run, model_id: int, option: HardwareOption, replicas: int) -> Deployment:
    """A ready deployment. On failure what no stage holds is stopped; the error carries the server log's last lines."""
    run.api.want_deployment(model_id, option=option.model_dump(mode="json"), replicas=replicas)
    try:
        return wait_until(lambda: _ready(run, model_id, option, replicas), run.deadline, f"{replicas} replica(s) ready")
    except BaseException:
        if run.api.version(model_id)["stages"].get("local") not in ("Staging", "Production"):
            run.api.drop_deployment(model_id)
        raise


def deploy_to_staging(run: Run, model_id: int) -> dict[str, Any]:
    """Step 3: one replica on the smallest option, then the Staging move. Again: the same ones, no second move.

    Raises StagingTaken while another run validates its version there; then nothing of this one is left running.
    """
    options = [HardwareOption.model_validate(option) for option in run.api.health()["options"]]
    fitting = (option for option in options if option.device == "cpu")
    smallest = min(fitting, key=lambda option: (option.max_batch, option.price))
    version = run.api.version(model_id)
    displaced = staging_to_displace(run, version)
    deployment = deploy(run, model_id, smallest, replicas=1)
    started_in_s = max(replica.started_in_s or 0.0 for replica in deployment.replicas)
    move = take_staging(run, version, displaced)
    document = {"option": smallest.model_dump(mode="json"), "started_in_s": started_in_s, "move": move["seq"]}
    run.api.add_evidence(model_id, "DeployToStaging", "deployment", run.id, document)
    run.progress(f"{version['model']}@{version['version']} answers in Staging, {started_in_s:.1f} s after its start")
    return {"started_in_s": started_in_s, "move": move["seq"]}


def _ready(run: Run, model_id: int, option: HardwareOption, replicas: int) -> Deployment | None:
    deployment = Deployment.model_validate(run.api.deployment(model_id))
    if deployment.state == "failed":
        tail = "\n  ".join(line for replica in deployment.replicas for line in replica.log_tail)
        raise ServerFailed(f"the deployment failed: {deployment.error}\n  {tail}".rstrip())
    ready = [replica for replica in deployment.replicas if replica.state == "ready"]
    converged = deployment.state == "ready" and deployment.spec.option == option and len(ready) >= replicas
    return deployment if converged else None
