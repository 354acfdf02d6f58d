from __future__ import annotations

from pathlib import Path

from seatrial.mlflow_import.folders import Outcome, send_first
from seatrial.mlflow_import.plan import Import
from seatrial.settings import TreeLimits
from tests.models import write_upload


def test_what_is_sent_is_within_the_limits_of_an_upload(tmp_path: Path) -> None:
    wanted = Import(source="tiny", version=1, model="tiny", folder="tiny-v1", stage="None")
    other = Import(source="other", version=1, model="other", folder="other-v1", stage="None")
    large = write_upload(tmp_path / "tiny-v1", marker=False)
    (large / "notes.txt").write_text("one more")
    written = [Outcome(wanted, "written", large), Outcome(other, "written", write_upload(tmp_path / "o", marker=False))]
    refused, sent = send_first(written, tmp_path / "uploads", TreeLimits(files=5))
    assert (refused.sent, sent.sent) == (False, True), "one that is refused keeps no other back"
    assert "limit: 5 files" in refused.missing[0]
    assert [outcome.sent for outcome in send_first(written, tmp_path / "uploads", TreeLimits(files=6))] == [True, True]
