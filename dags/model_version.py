"""One run brings one uploaded model version to Production, or says why not."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import Param, TriggerRule, dag

from operators.check_format import CheckFormat
from operators.choose_hardware import ChooseHardware
from operators.deploy_to_staging import DeployToStaging
from operators.profile_hardware import HardwareOptions, ProfileHardware, SurveyHardware, VerifyHardware
from operators.promote import Promote
from operators.push_autoscaling import PushAutoscaling
from operators.register_version import RegisterVersion
from operators.shadow_validate import ShadowValidate
from operators.withdraw import Withdraw

# Whole, whatever is before a line's end: no control character, and no host means the connection's NameNode.
UPLOAD_NAME = r"^(?![\s\S]*[\x00-\x1f\x7f-\x9f\u2028\u2029])((file://)?/|(hdfs|swebhdfs)://)\S[\s\S]*$"
FROM_VERSION = "{{ (ti.xcom_pull('register_version') or {}).get('%s') }}"
VALIDATED = "{{ ti.xcom_pull('shadow_validate') is not none }}"


@dag(
    schedule=None,
    catchup=False,
    tags=["seatrial"],
    max_active_runs=4,
    default_args={"retries": 2, "retry_delay": timedelta(seconds=5), "retry_exponential_backoff": 2.0},
    params={
        "upload": Param(
            type="string",
            title="Upload folder",
            description=(
                "The folder with `model.yaml` or `MLmodel`, the model files and the samples, below an upload root:"
                " `/srv/uploads/pitch-2` or `hdfs://namenode:9870/uploads/pitch-2`."
            ),
            pattern=UPLOAD_NAME,
            minLength=2,
        ),
        "options": Param(
            [],
            type="array",
            items={"type": "string", "pattern": "^[a-z0-9][a-z0-9._-]{0,62}$"},
            title="Hardware options",
            description="Names of the options to measure, e.g. `cpu-1x1`. Empty: all that the manager knows.",
            section="Measurement",
        ),
        "anew": Param(
            False,
            type="boolean",
            title="Measure anew",
            description="Measure also what was measured within the last week, and in a task that is cleared.",
            section="Measurement",
        ),
    },
    doc_md=__doc__,
)
def model_version() -> None:
    upload = "{{ params.upload }}"
    check = CheckFormat(task_id="check_format", upload=upload)
    only = "{{ params.options | tojson }}"
    to_survey = HardwareOptions(task_id="options_to_survey", stage="survey", only=only)
    options = HardwareOptions(task_id="hardware_options", stage="measure", only=only)
    to_verify = HardwareOptions(task_id="places_to_verify", stage="verify", only=only)
    version = RegisterVersion(task_id="register_version", upload=upload, report=check.output)
    staged = DeployToStaging(task_id="deploy_to_staging", version=version.output)
    shadow = ShadowValidate(task_id="shadow_validate", version=version.output, timeout_s=900)
    measuring = {
        "model_id": FROM_VERSION % "model_id",
        "pool": "seatrial_profiling",
        "map_index_template": "{{ hardware_option }}",
    }
    anew = "{{ params.anew }}"
    whatever = {"validated": VALIDATED, "trigger_rule": TriggerRule.ALL_DONE}
    surveys = SurveyHardware.partial(task_id="survey_hardware", anew=anew, **measuring).expand(option=to_survey.output)
    cells = ProfileHardware.partial(task_id="profile_hardware", anew=anew, **measuring, **whatever).expand(
        option=options.output
    )
    verified = VerifyHardware.partial(task_id="verify_hardware", **measuring, **whatever).expand(place=to_verify.output)
    chosen = ChooseHardware(
        task_id="choose_hardware",
        model_id=FROM_VERSION % "model_id",
        validated=VALIDATED,
        trigger_rule=TriggerRule.ALL_DONE,
    )
    promoted = Promote(task_id="promote", version=version.output, policy=chosen.output, validated=shadow.output)
    pushed = PushAutoscaling(task_id="push_autoscaling", model=FROM_VERSION % "model", policy=chosen.output)
    left = Withdraw(task_id="withdraw", version=version.output)

    staged >> shadow >> surveys >> cells >> verified >> chosen >> promoted >> pushed >> left.as_teardown(setups=staged)
    shadow >> cells >> chosen


model_version()
