"""The connection to the Inference Manager."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import BaseHook

if TYPE_CHECKING:
    from seatrial.client.manager_api import ManagerAPI

CONNECTION = "seatrial_manager"


class SeatrialHook(BaseHook):
    """Airflow connection `seatrial_manager`, type http: host, port, schema, and the operator token as password."""

    def __init__(self, conn_id: str = CONNECTION) -> None:
        super().__init__()
        self.conn_id = conn_id

    def get_conn(self, run: str = "") -> ManagerAPI:
        """`run` is the Airflow run that the manager's audit lines name."""
        from seatrial.client.manager_api import ManagerAPI

        connection = self.get_connection(self.conn_id)
        url = f"{connection.schema or 'http'}://{connection.host}:{connection.port or 8765}"
        return ManagerAPI(url, token=connection.password, run=run)
