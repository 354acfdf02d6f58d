from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.errors import UploadRefused
from seatrial.mlflow_import.folders import Outcome, send_first
from seatrial.mlflow_import.plan import Import
from seatrial.settings import TreeLimits
from tests.models import write_upload


def test_what_is_sent_is_within_the_limits_of_an_upload(tmp_path: Path) -> None:
    wanted = Import(source="tiny", version=1, model="tiny", folder="tiny-v1", stage="None")
    written = [Outcome(wanted, "written", write_upload(tmp_path / "tiny-v1", marker=False))]
    with pytest.raises(UploadRefused, match="limit: 3 files"):
        send_first(written, tmp_path / "uploads", TreeLimits(files=3))
    assert [outcome.sent for outcome in send_first(written, tmp_path / "uploads", TreeLimits(files=5))] == [True]
