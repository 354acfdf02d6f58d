"""The one place where a failure is mapped to retry, fail or skip."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowRescheduleException,
    AirflowSkipException,
)

from operators.hook import CONNECTION, SeatrialHook

if TYPE_CHECKING:
    from airflow.sdk import Context

    from seatrial.steps.run import Run

LOOK_AGAIN_S = 10.0


class StepOperator(BaseOperator):
    """Runs one step of `seatrial.steps`. A subclass says which in `step`.

    A refusal, a missing thing or a conflict fails the task at once, with its one line; whatever may pass (the manager
    restarting, a server that died) is retried as the DAG says. A step that has to wait for another run, or for live
    traffic, frees its worker and comes back, which is no retry. The step has `timeout_s` seconds for each try.
    """

    ui_color = "#e3f2f7"

    def __init__(self, *, timeout_s: float = 300.0, conn_id: str = CONNECTION, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.timeout_s = timeout_s
        self.conn_id = conn_id

    def step(self, run: Run) -> Any:
        raise NotImplementedError

    def execute(self, context: Context) -> Any:
        from seatrial.errors import DeviceTaken, SeatrialError, StagingTaken, TryAgain, UndecidedYet
        from seatrial.steps.run import Run
        from seatrial.waiting import Deadline

        dag_run = context["dag_run"]
        with SeatrialHook(self.conn_id).get_conn(dag_run.run_id) as api:
            run = Run(
                api=api,
                id=dag_run.run_id,
                who=dag_run.triggering_user_name or "airflow",
                deadline=Deadline.after(self.timeout_s),
                progress=self.log.info,
            )
            try:
                return self.step(run)
            except AirflowSkipException as reason:
                self.log.info("skipped: %s", reason)  # Airflow itself does not say why
                raise
            except (StagingTaken, DeviceTaken, UndecidedYet) as error:
                self.log.info("%s; looked at again in %.0f s", error, LOOK_AGAIN_S)
                again = datetime.now(UTC) + timedelta(seconds=LOOK_AGAIN_S)
                raise AirflowRescheduleException(again) from error  # type: ignore[no-untyped-call]
            except TryAgain as error:
                task = context["ti"]
                self.log.error("try %d of %d: %s", task.try_number, task.max_tries + 1, error)  # noqa: TRY400
                raise AirflowException(str(error)) from error
            except SeatrialError as error:
                self.log.error("refused: %s", error)  # noqa: TRY400 - one line for a person; the trace follows anyway
                raise AirflowFailException(str(error)) from error
