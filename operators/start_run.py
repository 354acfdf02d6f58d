"""Starting a run for what somebody else named."""

from __future__ import annotations

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator


class StartRun(TriggerDagRunOperator):
    """TriggerDagRunOperator that renders nothing: its conf holds the name of an upload, which an uploader chose.

    Mapped over a list, that operator renders what the list holds, and a folder named `{{ conn.… }}` is told a password.
    """

    template_fields = ()
