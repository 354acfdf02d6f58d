"""HDFS in trouble: restarts, a DataNode that dies or hangs, safe mode, no access. A manager with its files there."""

from __future__ import annotations

import hashlib
import io
import logging
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

pytest.importorskip("ml_metadata", reason="the manager runs in its own environment only")

from seatrial import InferenceClient
from seatrial.client.manager_api import ManagerAPI
from seatrial.client.registry_api import RegistryAPI
from seatrial.errors import NotFound, SeatrialError, TryAgain
from seatrial.formats.check import check_upload
from seatrial.settings import Settings
from seatrial.storage import webhdfs_http
from seatrial.storage.artifacts import ArtifactStore
from seatrial.storage.local import CHUNK, WRITING
from seatrial.storage.location import HdfsFolder, open_storage, parse_location
from seatrial.storage.webhdfs import WebHdfs
from seatrial.waiting import Deadline, wait_until
from tests.hdfs.cluster import SUPERUSER, HdfsCluster
from tests.hdfs.secure import USER, secure_hdfs
from tests.integration.test_backup import run
from tests.managers import PROGRAM, environ_of, managers
from tests.models import write_upload
from tests.storages import acting_bytes, files_of

BIG = b"0123456789abcdef" * (3 * CHUNK // 16)
IMPATIENT_S, PATIENT_S = 0.2, 90.0


@pytest.fixture
def folder(cluster: HdfsCluster) -> HdfsFolder:
    found = parse_location(cluster.url(f"tests/{uuid.uuid4().hex}"), "test")
    assert isinstance(found, HdfsFolder)
    return found


def write(storage: WebHdfs, path: str, data: bytes = BIG, act: Callable[[], object] = lambda: None) -> None:
    """`act` is called once, when the first piece was sent."""
    storage.write(path, acting_bytes(data, act), hashlib.sha256(data).hexdigest())


def read(storage: WebHdfs, path: str) -> bytes:
    into = io.BytesIO()
    assert storage.read(path, into) == hashlib.sha256(into.getvalue()).hexdigest()
    return into.getvalue()


class ActingTarget(io.BytesIO):
    def __init__(self, act: Callable[[], object]) -> None:
        super().__init__()
        self._act: Callable[[], object] | None = act

    def write(self, data: Any, /) -> int:
        if self._act:
            act, self._act = self._act, None
            act()
        return super().write(data)


def restart(cluster: HdfsCluster, daemon: Any) -> None:
    cluster.stop(daemon, how=signal.SIGKILL)
    cluster.start(daemon)


def test_a_namenode_that_restarts_between_calls_is_not_noticed(broken: HdfsCluster, folder: HdfsFolder) -> None:
    storage = WebHdfs(folder, patience_s=PATIENT_S)
    write(storage, "a")
    for call in (
        lambda: read(storage, "a"),  # the first call through a DataNode after it is answered with an EOFException
        lambda: write(storage, "b"),
        lambda: storage.rename("a", "c"),
    ):
        restart(broken, "NameNode")
        call()
    assert read(storage, "b") == read(storage, "c") == BIG


def test_a_namenode_that_stays_away_is_a_matter_of_trying_again(broken: HdfsCluster, folder: HdfsFolder) -> None:
    storage = WebHdfs(folder, patience_s=IMPATIENT_S)
    write(storage, "a")
    broken.stop("NameNode")
    for call in (
        lambda: write(storage, "b"),
        lambda: read(storage, "a"),
        lambda: storage.look("a"),
        lambda: storage.touch("a"),
        lambda: storage.entries(""),
        lambda: storage.rename("a", "b"),
        lambda: storage.remove("a"),
    ):
        with pytest.raises(TryAgain, match="HDFS"):
            call()
    broken.start("NameNode")
    broken.wait()
    assert [entry.name for entry in WebHdfs(folder).entries("")] == ["a"]


def test_a_namenode_killed_in_the_middle_of_a_write_delays_it(broken: HdfsCluster, folder: HdfsFolder) -> None:
    storage = WebHdfs(folder, patience_s=PATIENT_S)
    write(storage, "a", act=lambda: restart(broken, "NameNode"))
    assert read(storage, "a") == BIG
    assert [entry.name for entry in storage.entries("") if not entry.name.startswith(WRITING)] == ["a"]


def test_a_datanode_killed_in_the_middle_of_a_write_delays_it(broken: HdfsCluster, folder: HdfsFolder) -> None:
    storage = WebHdfs(folder, patience_s=PATIENT_S)
    write(storage, "a", act=lambda: restart(broken, "DataNode"))
    assert read(storage, "a") == BIG


def test_a_write_without_datanodes_leaves_no_file_and_can_be_repeated(broken: HdfsCluster, folder: HdfsFolder) -> None:
    storage = WebHdfs(folder, patience_s=IMPATIENT_S)
    with pytest.raises(TryAgain):
        write(storage, "a", act=lambda: broken.stop("DataNode", how=signal.SIGKILL))
    assert storage.look("a") is None
    broken.start("DataNode")
    broken.wait()
    write(storage, "a")
    assert read(storage, "a") == BIG


def test_a_datanode_killed_in_the_middle_of_a_read_is_read_on_from_there(
    broken: HdfsCluster, folder: HdfsFolder
) -> None:
    storage, data = WebHdfs(folder, patience_s=PATIENT_S), BIG * 8
    write(storage, "a", data)
    into = ActingTarget(lambda: restart(broken, "DataNode"))
    assert storage.read("a", into) == hashlib.sha256(data).hexdigest()
    assert into.getvalue() == data


def test_a_datanode_that_hangs_is_a_matter_of_trying_again(
    broken: HdfsCluster, folder: HdfsFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = WebHdfs(folder, patience_s=IMPATIENT_S)
    write(storage, "a")
    for name in ("ASKING", "SENDING"):
        monkeypatch.setattr(webhdfs_http, name, httpx.Timeout(1.0))
    broken.signal("DataNode", signal.SIGSTOP)
    for call in (lambda: read(storage, "a"), lambda: write(storage, "b")):
        with pytest.raises(TryAgain, match="timed out"):
            call()
    assert storage.look("a") is not None


class HalfSent(WebHdfs):
    """Something on the way cuts the upload off, and HDFS says 201 to the half."""

    def __init__(self, folder: HdfsFolder) -> None:
        super().__init__(folder, patience_s=IMPATIENT_S)
        send = self._http.send
        self._http.send = lambda location, pieces, path: send(location, [b"".join(pieces)[:10]], path)


def test_an_upload_that_was_cut_off_on_its_way_is_noticed(folder: HdfsFolder) -> None:
    with pytest.raises(TryAgain, match="other bytes than were sent"):
        write(HalfSent(folder), "a")
    assert WebHdfs(folder).entries("") == []


class AnswerLost(WebHdfs):
    """HDFS renames, its answer is lost, and the call is made again."""

    def _rename(self, source: str, target: str, options: str = "overwrite") -> bool:
        assert super()._rename(source, target, options)
        return super()._rename(source, target, options)


class TemporaryLost(WebHdfs):
    """The temporary file is removed before it is renamed, as one that is older than a collection's grace."""

    def _rename(self, source: str, target: str, options: str = "overwrite") -> bool:
        assert self.remove(source)
        return super()._rename(source, target, options)


def test_a_renaming_that_finds_nothing_is_believed_only_when_the_bytes_are_there(folder: HdfsFolder) -> None:
    for path in ("new", "old"):
        with pytest.raises(TryAgain, match="could not be written"):
            write(TemporaryLost(folder), path, b"one")
        write(AnswerLost(folder), "old", b"zero")
    assert [entry.name for entry in WebHdfs(folder).entries("")] == ["old"]
    assert read(WebHdfs(folder), "old") == b"zero"
    write(AnswerLost(folder), "old", b"one")
    assert read(WebHdfs(folder), "old") == b"one"


def test_safe_mode_reads_refuses_writes_and_heals(cluster: HdfsCluster, folder: HdfsFolder) -> None:
    impatient, patient = WebHdfs(folder, patience_s=IMPATIENT_S), WebHdfs(folder, patience_s=PATIENT_S)
    write(impatient, "a")
    cluster.admin("-safemode", "enter")
    leave = threading.Thread(target=cluster.admin, args=("-safemode", "leave"))
    try:
        assert read(impatient, "a") == BIG
        for call in (lambda: write(impatient, "b"), lambda: impatient.touch("a"), lambda: impatient.rename("a", "c")):
            with pytest.raises(TryAgain, match="SafeModeException"):
                call()
    finally:
        leave.start()
    write(patient, "b")
    leave.join()
    assert read(impatient, "b") == BIG


def test_no_access_is_told_at_once_and_names_user_and_path(cluster: HdfsCluster, folder: HdfsFolder) -> None:
    write(WebHdfs(folder), "a")
    stranger = WebHdfs(HdfsFolder(folder.namenodes, folder.path, "alice"), patience_s=PATIENT_S)
    for call in (lambda: write(stranger, "b"), lambda: stranger.touch("a"), lambda: stranger.remove("a")):
        with pytest.raises(SeatrialError, match=f"user=alice.*{folder.path}") as raised:
            call()
        assert raised.type is SeatrialError
    assert read(stranger, "a") == BIG


def test_the_port_of_hadoops_own_protocol_is_told_apart(cluster: HdfsCluster) -> None:
    storage = WebHdfs(HdfsFolder((cluster.rpc_address,), "a", SUPERUSER))
    with pytest.raises(SeatrialError, match="not the correct port"):
        storage.look("b")


def test_with_tls_only_a_trusted_hdfs_is_talked_to(
    cluster: HdfsCluster, folder: HdfsFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    secure = HdfsFolder((cluster.secure_address,), folder.path, folder.user, "https")
    with pytest.raises(TryAgain, match="CERTIFICATE_VERIFY_FAILED"):
        write(WebHdfs(secure, patience_s=IMPATIENT_S), "a")
    monkeypatch.setenv("SSL_CERT_FILE", str(cluster.certificate))
    write(WebHdfs(secure), "a")
    assert read(WebHdfs(secure), "a") == read(WebHdfs(folder), "a") == BIG


def test_the_next_namenode_is_asked_when_one_does_not_answer(folder: HdfsFolder) -> None:
    storage = WebHdfs(HdfsFolder(("127.0.0.1:1", *folder.namenodes), folder.path, folder.user))
    write(storage, "a")
    assert read(storage, "a") == BIG


@pytest.mark.parametrize("ahead_s", [-86400.0, 86400.0])
def test_ages_do_not_depend_on_the_clock_of_this_machine(
    folder: HdfsFolder, monkeypatch: pytest.MonkeyPatch, ahead_s: float
) -> None:
    write(WebHdfs(folder), "a")
    real = time.time
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: real() + ahead_s)
        wrong = WebHdfs(folder)
        assert wrong.touch("a")
        found = [wrong.look("a"), *wrong.entries("")]
    found.append(WebHdfs(folder).look("a"))
    assert all(entry is not None and abs(entry.age_s) < 60 for entry in found)


def test_kerberos_believes_a_token_which_is_read_anew_each_time_and_never_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "token"
    with secure_hdfs() as secure:
        monkeypatch.setenv("SSL_CERT_FILE", str(secure.cluster.certificate))
        folder = HdfsFolder((secure.cluster.secure_address,), USER, USER, "https")
        with pytest.raises(SeatrialError, match="status 401"):
            WebHdfs(folder).look("a")
        storage = WebHdfs(folder, path, patience_s=PATIENT_S)
        with pytest.raises(SeatrialError, match=str(path)):
            storage.look("a")
        token = secure.new_token()
        path.write_text(token + "\n")
        with caplog.at_level(logging.DEBUG):
            write(storage, "d/a")
            assert read(storage, "d/a") == BIG
            assert storage.touch("d/a")
            assert storage.rename("d/a", "b")
            assert storage.remove("b")
        assert "delegation=…" in caplog.text
        assert token[:20] not in caplog.text
        secure.cancel_token()
        with pytest.raises(SeatrialError, match="InvalidToken") as raised:
            storage.look("a")
        assert token[:20] not in str(raised.value)
        path.write_text(secure.new_token())
        assert storage.look("a") is None


def test_a_store_that_hadoops_client_has_backed_up_and_restored_is_the_same(
    cluster: HdfsCluster, tmp_path: Path
) -> None:
    old, new, backup = f"tests/{uuid.uuid4().hex}", f"tests/{uuid.uuid4().hex}/new", tmp_path / "backup"
    upload = write_upload(tmp_path / "upload")
    backup.mkdir()
    files = check_upload(upload).files
    tree = ArtifactStore(open_storage(cluster.url(old), "test")).put(files_of(upload), files)
    environ = {"OLD_ARTIFACTS": f"/{old}", "NEW_ARTIFACTS": f"/{new}", "BACKUP": str(backup)}
    for name in ("hdfs backup", "hdfs restore"):
        run(name, {**cluster.client(tmp_path), **environ})
    for url in (cluster.url(new), (backup / "artifacts").as_uri()):
        store = ArtifactStore(open_storage(url, "test"))
        assert store.files(tree) == files
        store.copy_to(files, tmp_path / "copy")


def test_a_manager_ends_with_one_line_about_a_location_that_is_none(tmp_path: Path) -> None:
    environ = environ_of(tmp_path, SEATRIAL_ARTIFACTS="/srv/artifacts")
    done = subprocess.run([sys.executable, *PROGRAM], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(
        "seatrial-manager: SEATRIAL_ARTIFACTS: a text without scheme must be file:///absolute/path"
    )
    assert done.stderr.count("\n") == 1


@pytest.fixture
def environ(cluster: HdfsCluster, tmp_path: Path) -> dict[str, str]:
    url = cluster.url(f"tests/{uuid.uuid4().hex}")
    return environ_of(tmp_path, SEATRIAL_ARTIFACTS=url)


def register(api: ManagerAPI, upload: Path) -> dict[str, Any]:
    report = check_upload(upload).model_dump(mode="json")
    return dict(api.register("tiny", upload=str(upload), report=report, run="r")["version"])


def deployed(api: ManagerAPI, model_id: int) -> bool:
    deployment = api.deployment(model_id)
    assert not any(replica["state"] == "failed" for replica in deployment["replicas"]), deployment
    return bool(deployment["state"] == "ready")


def test_a_manager_keeps_a_model_on_hdfs_and_serves_it_also_while_hdfs_is_away(
    broken: HdfsCluster, environ: dict[str, str], tmp_path: Path
) -> None:
    upload = write_upload(tmp_path / "uploads" / "1", scale=3.0)
    with managers(environ) as [api]:
        version = register(api, upload)
        assert not (tmp_path / "artifacts").exists()
        api.want_deployment(version["model_id"], option={"name": "cpu-1x1", "cores": 1, "threads": 1}, replicas=1)
        wait_until(lambda: deployed(api, version["model_id"]), Deadline.after(120), "the model is ready")
        settings = Settings.read(environ)
        with InferenceClient(settings.manager_url, settings.token) as client:
            x = np.ones((1, 4), np.float32)
            assert np.allclose(client.infer(version["model_id"], x=x)["y"], 3.0)
            broken.stop("NameNode")
            assert np.allclose(client.infer(version["model_id"], x=x)["y"], 3.0)
        with httpx.Client(headers={"Authorization": f"Bearer {settings.token}"}, trust_env=False) as http:
            url = f"{settings.manager_url}/v1/versions/{version['model_id']}/files/model.onnx"
            answer = http.get(url, timeout=60)
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:seatrial:try-again")
        assert int(answer.headers["Retry-After"]) > 0
        assert api.health()["pid"]
        broken.start("NameNode")
        broken.wait()
        assert api.file(version["model_id"], "model.onnx") == (upload / "model.onnx").read_bytes()


def test_two_managers_share_the_files_on_one_hdfs(
    cluster: HdfsCluster, environ: dict[str, str], tmp_path: Path
) -> None:
    """Each has a registry of its own here, so each one's collection knows nothing of the other's versions."""
    other = {**environ, "SEATRIAL_HOME": str(tmp_path / "other"), "SEATRIAL_UPLOADS": str(tmp_path / "uploads")}
    upload = write_upload(tmp_path / "uploads" / "1")
    with managers(environ, other) as apis:
        with ThreadPoolExecutor(4) as pool:
            versions = list(pool.map(lambda api: register(api, upload), apis * 2))
        for api in apis:
            settings = Settings.read(environ if api is apis[0] else other)
            with RegistryAPI(settings.manager_url, settings.token) as registry:
                assert registry.collect_garbage(dry_run=False)["removed"] == []
        for api, version in zip(apis * 2, versions, strict=True):
            assert api.file(version["model_id"], "model.onnx") == (upload / "model.onnx").read_bytes()
            with pytest.raises(NotFound):
                api.file(version["model_id"], "no.onnx")
