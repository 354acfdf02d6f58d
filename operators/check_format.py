"""Step 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from operators.step import StepOperator

if TYPE_CHECKING:
    from seatrial.steps.run import Run


class CheckFormat(StepOperator):
    """Checks an upload in a child process and on a trial server; returns the check report."""

    template_fields = ("upload",)

    def __init__(self, *, upload: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.upload = upload

    def step(self, run: Run) -> Any:
        from operators.hdfs import find_upload
        from seatrial.steps.check_format import check_format

        return check_format(run, find_upload(self.upload))
