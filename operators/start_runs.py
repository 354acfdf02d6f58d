"""From upload events to exactly one run an upload."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowRescheduleException, AirflowRuntimeError, ErrorType

from operators.dispatch import Confirmed, pages, payloads
from operators.turn import Turn

if TYPE_CHECKING:
    from airflow.sdk import Context

READ_TO = "read_to"
AGAIN = timedelta(seconds=5)


class StartRuns(BaseOperator):
    """Starts a run of the DAG `start_dag` for each event of `asset` that has had none, however many there are.

    Run ids come from the upload's identity, so an upload that is told twice, or whose record was lost when this task
    was killed, has one run. All are started by one task: docs/adr/0021 says why. While another run of this task is at
    work, this one frees its worker and comes back. A run that cannot be started fails the task when the others are
    started; what it was for is told again.
    """

    def __init__(self, *, asset: Asset, start_dag: str, **kwargs: Any) -> None:
        super().__init__(inlets=[asset], **kwargs)
        self.asset = asset
        self.start_dag = start_dag

    def execute(self, context: Context) -> int:
        """The number of runs that it started."""
        store = context["asset_state_store"][self.asset]
        turn = Turn(store, context["dag_run"].run_id)
        if not turn.take():
            self.log.info("another run of the dispatcher is at work")
            raise AirflowRescheduleException(datetime.now(UTC) + AGAIN)  # type: ignore[no-untyped-call]
        try:
            return self._drain(context["inlet_events"][self.asset], store, turn)
        finally:
            turn.end()

    def _drain(self, events: Any, store: Any, turn: Turn) -> int:
        confirmed, started, failed = Confirmed(store), 0, 0
        for page in pages(events, store.get(READ_TO)):
            for payload in confirmed.waiting(payloads(page)):
                turn.keep()
                try:
                    started += self._start(f"upload__{payload['id']}", payload["upload"])
                    confirmed.add(payload)
                except AirflowRuntimeError as error:
                    failed += 1
                    self.log.error("no run for %s: %s", payload["upload"], error)  # noqa: TRY400 - one line is enough
            confirmed.save()
            store.set(READ_TO, page[-1].timestamp.isoformat())
        if failed:
            raise AirflowException(f"{failed} runs of {self.start_dag} could not be started")
        return started

    def _start(self, run_id: str, upload: str) -> bool:
        """What TriggerDagRunOperator has its supervisor do for it. False when the run is there already."""
        from airflow.sdk.execution_time import task_runner
        from airflow.sdk.execution_time.comms import ErrorResponse, TriggerDagRun

        answer = task_runner.SUPERVISOR_COMMS.send(
            TriggerDagRun(dag_id=self.start_dag, run_id=run_id, conf={"upload": upload}, logical_date=None)
        )
        there = isinstance(answer, ErrorResponse) and answer.error == ErrorType.DAGRUN_ALREADY_EXISTS
        if isinstance(answer, ErrorResponse) and not there:
            raise AirflowRuntimeError(answer)
        self.log.info("%s %s for %s", self.start_dag, f"{run_id} is there" if there else run_id, upload)
        return not there
