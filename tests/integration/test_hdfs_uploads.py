"""`seatrial upload` to a real HDFS that breaks under it."""

from __future__ import annotations

import json
import signal
import uuid
from pathlib import Path
from typing import Any

import pytest

from seatrial.cli import main
from seatrial.cli_progress import Progress
from seatrial.uploads.send import Parcel
from tests.hdfs.cluster import SUPERUSER, HdfsCluster
from tests.integration.test_backup import run
from tests.models import write_upload
from tests.storages import Place, hdfs_place

UPLOADS = Path(__file__).parents[2] / "docs" / "uploads.md"
BIG = 24 * 2**20


@pytest.fixture
def place(cluster: HdfsCluster, monkeypatch: pytest.MonkeyPatch) -> Place:
    """The root that the command sends to."""
    place = hdfs_place(cluster, f"tests/{uuid.uuid4().hex}")
    monkeypatch.setenv("SEATRIAL_UPLOADS", place.url)
    return place


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An upload with a file that takes a while beside small ones."""
    folder = write_upload(tmp_path / "mine", marker=False)
    (folder / "notes.bin").write_bytes(bytes(range(256)) * (BIG // 256))
    return folder


def upload(folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    main(["upload", str(folder), "--to", "mine", "--json"])
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def check_whole(place: Place, folder: Path) -> None:
    parcel = Parcel.of(folder)
    assert place.names() == ["mine"]
    assert {path: place.bytes_of(f"mine/{path}") for path in parcel.sizes} == {
        path: (folder / path).read_bytes() for path in parcel.sizes
    }
    assert place.names("mine") == sorted({"_SUCCESS", *(path.partition("/")[0] for path in parcel.sizes)})


def test_it_is_named_by_a_url_without_a_user(
    cluster: HdfsCluster, place: Place, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = upload(folder, capsys)
    assert found["upload"] == place.url.replace(f"{SUPERUSER}@", "") + "/mine"
    check_whole(place, folder)


@pytest.mark.parametrize("daemon", ["DataNode", "NameNode"])
def test_an_upload_that_hdfs_dies_under_says_how_to_go_on_and_does(
    broken: HdfsCluster,
    place: Place,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    daemon: Any,
) -> None:
    killed: list[int] = []

    def start(_: Progress, total: int, there: int) -> Any:
        def advance(more: int) -> None:
            if more > 0 and not killed and sum(sent) > BIG / 3:
                killed.append(1)
                broken.stop(daemon, how=signal.SIGKILL)
            sent.append(more)

        sent: list[int] = []
        return advance

    with monkeypatch.context() as patch:
        patch.setattr(Progress, "start", start)
        with pytest.raises(SystemExit) as ended:
            upload(folder, capsys)
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert f"what has arrived is kept; to go on: seatrial upload {folder} --to mine\n" in said
    broken.start(daemon)
    broken.wait()
    assert [name for name in place.names() if not name.startswith(".")] == []
    assert upload(folder, capsys)["sent"]
    check_whole(place, folder)


def test_a_plain_put_as_the_guide_has_it_is_an_upload_too(
    cluster: HdfsCluster, place: Place, folder: Path, tmp_path: Path
) -> None:
    environ = {**cluster.client(tmp_path), "ROOT": "/" + place.url.split("/", 3)[3]}
    run("hdfs put", {**environ, "UPLOAD": str(folder), "NAME": "mine"}, UPLOADS)
    check_whole(place, folder)
