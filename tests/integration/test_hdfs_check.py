"""An upload on HDFS on its way to a server: checked, registered, served, while HDFS restarts or the upload changes."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest

pytest.importorskip("ml_metadata", reason="the manager runs in its own environment only")

from seatrial import InferenceClient
from seatrial.client.manager_api import ManagerAPI
from seatrial.errors import Refused, TryAgain, UploadRefused
from seatrial.settings import Settings, TreeLimits
from seatrial.steps.check_format import check_format
from seatrial.steps.deploy import deploy_to_staging
from seatrial.steps.register import register
from seatrial.storage.local import CHUNK
from seatrial.storage.location import HdfsFolder, parse_location
from seatrial.storage.webhdfs import WebHdfs
from seatrial.storage.webhdfs_stream import Pieces
from seatrial.uploads.roots import UploadRoot, open_root, open_roots
from seatrial.uploads.source import Upload
from seatrial.waiting import Deadline
from tests.debian import library_path, program, unpacked
from tests.hdfs.cluster import HdfsCluster
from tests.hdfs.secure import USER, secure_hdfs
from tests.integration.test_backup import run as run_documented
from tests.managers import environ_of, managers
from tests.models import write_upload
from tests.rollover import run_of
from tests.storages import acting, bytes_below, put

LIMITS, PATIENT_S = TreeLimits(), 90.0
BIG = bytes(range(256)) * (24 * CHUNK // 256)
"""More than what is on its way at any moment between a DataNode and its reader."""
LIBRARIES = (  # what kinit is linked with, all of one release
    "libkadm5srv-mit12",
    "libkadm5clnt-mit12",
    "libkdb5-10",
    "libgssrpc4",
    "libgssapi-krb5-2",
    "libkrb5-3",
    "libk5crypto3",
    "libkrb5support0",
    "libcom-err2",
    "libkeyutils1",
    "libss2",
    "libverto1",
)


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where uploads are fetched to, of each test's own."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def root(cluster: HdfsCluster) -> UploadRoot:
    return open_root(cluster.url(f"tests/{uuid.uuid4().hex}/in box"))


def send(root: UploadRoot, folder: Path, path: str) -> Upload:
    """The files of a folder as an upload below the root."""
    for name, data in sorted(bytes_below(folder).items()):
        put(root.storage, f"{path}/{name}", data)
    return Upload(root, path)


@pytest.fixture
def upload(root: UploadRoot, tmp_path: Path) -> Upload:
    return send(root, write_upload(tmp_path / "local", scale=3.0), "team a/tiny")


@pytest.fixture
def api(root: UploadRoot, tmp_path: Path, cluster: HdfsCluster) -> Iterator[ManagerAPI]:
    """A manager that knows the root, as another user would name it, and keeps its files on this machine."""
    environ = environ_of(tmp_path / "home", SEATRIAL_UPLOADS=root.url)
    with managers(environ) as [api]:
        yield api


def test_an_upload_on_hdfs_is_checked_registered_and_served_and_the_namenode_may_restart_between(
    broken: HdfsCluster, upload: Upload, api: ManagerAPI, temporary: Path, tmp_path: Path
) -> None:
    said: list[str] = []
    run = run_of(api, "from-hdfs", said.append)
    report = check_format(run, upload)
    assert "fetched 4 file(s)" in " ".join(said)
    assert list(temporary.iterdir()) == []
    broken.stop("NameNode", how=signal.SIGKILL)
    broken.start("NameNode")
    broken.wait()
    version = register(run, upload, report)
    assert (version["created"], api.version(version["model_id"])["source"]) == (True, upload.name)
    assert "@" not in upload.name
    assert upload.root.storage.remove_folder(upload.path)
    again = register(run, upload, report)  # a retried task: the upload may be gone then
    assert (again["created"], again["model_id"]) == (False, version["model_id"])
    deploy_to_staging(run, version["model_id"])
    settings = Settings.read(environ_of(tmp_path / "home"))
    with InferenceClient(settings.manager_url, settings.token) as client:
        assert np.allclose(client.infer("tiny", stage="Staging", x=np.ones((1, 4), np.float32))["y"], 3.0)


def test_an_upload_that_changes_while_it_is_fetched_or_checked_is_refused_and_leaves_nothing(
    upload: Upload, api: ManagerAPI, temporary: Path, tmp_path: Path
) -> None:
    def change() -> None:
        send(upload.root, write_upload(tmp_path / "other", scale=5.0), upload.path)

    with pytest.raises(UploadRefused, match="changed while it was being checked"):
        check_format(run_of(api, "changing"), acting(upload, "model.onnx", change))
    report = check_format(run_of(api, "checked"), upload)
    send(upload.root, write_upload(tmp_path / "third", scale=7.0), upload.path)
    with pytest.raises(UploadRefused, match=r"changed while it was being checked.*SHA-256"):
        register(run_of(api, "checked"), upload, report)
    assert list(temporary.iterdir()) == []
    assert api.models() == []


class Noting(WebHdfs):
    """Notes at which byte of which file it began to read, and began again."""

    def __init__(self, folder: HdfsFolder) -> None:
        super().__init__(folder, patience_s=PATIENT_S)
        self.begun: list[tuple[str, int]] = []

    def _pieces(self, path: str, offset: int) -> Pieces:
        self.begun.append((path.rpartition("/")[2], offset))
        return super()._pieces(path, offset)


def test_a_datanode_that_is_killed_in_the_middle_of_a_file_delays_the_fetching(
    broken: HdfsCluster, upload: Upload, tmp_path: Path
) -> None:
    def restart() -> None:
        broken.stop("DataNode", how=signal.SIGKILL)
        broken.start("DataNode")

    location = parse_location(cluster_url(broken, upload), "test")
    assert isinstance(location, HdfsFolder)
    put(upload.root.storage, f"{upload.path}/notes.bin", BIG)
    storage = Noting(location)
    patient = Upload(UploadRoot(location, storage), upload.path)
    acting(patient, "notes.bin", restart).fetch(_new(tmp_path), Deadline.after(90), LIMITS)
    begun = [offset for name, offset in storage.begun if name == "notes.bin"]
    assert begun[0] == 0
    assert CHUNK <= begun[-1] < len(BIG), "it was read on from where it was cut off"
    there = {**bytes_below(tmp_path / "local"), "notes.bin": BIG}
    del there["_SUCCESS"]
    assert bytes_below(tmp_path / "into") == there


def test_a_datanode_that_stays_away_is_a_matter_of_trying_again_also_for_the_trial_server(
    broken: HdfsCluster, upload: Upload, api: ManagerAPI, temporary: Path
) -> None:
    def go(text: str) -> None:
        if text.startswith("static check passed"):  # from here on the manager fetches
            broken.stop("DataNode", how=signal.SIGKILL)

    with pytest.raises(TryAgain, match="the machine failed the Inference Server"):
        check_format(run_of(api, "away", go), upload)
    with pytest.raises(TryAgain):
        check_format(run_of(api, "away"), upload)
    assert list(temporary.iterdir()) == []
    broken.start("DataNode")
    broken.wait()
    assert check_format(run_of(api, "away"), upload)["served"]["format"] == "onnx"


def test_what_is_below_no_root_of_the_manager_is_refused_by_it(
    cluster: HdfsCluster, upload: Upload, api: ManagerAPI
) -> None:
    report = check_format(run_of(api, "roots"), upload)
    outside = upload.root.url.rsplit("/", 1)[0]
    for name in (
        f"{outside}/other/tiny",
        f"{upload.root.url}/../tiny",
        "/etc",
        "file:///etc/x",
        f"hdfs://hdfs@{upload.name[7:]}",
    ):
        with pytest.raises(Refused, match="upload") as raised:
            api.register("tiny", upload=name, report=report, run="r")
        assert raised.value.fields["field"] == "upload", "the name is refused, and not what is there"


def test_on_a_secured_hdfs_an_upload_is_fetched_and_registered_by_a_delegation_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = tmp_path / "token"
    with secure_hdfs() as secure:
        run_documented("hdfs token", {**os.environ, **with_kerberos(), **secure.login, "TOKEN_FILE": str(token)})
        assert token.stat().st_mode & 0o077 == 0
        authorities = secure.cluster.certificate
        url = f"swebhdfs://{secure.cluster.secure_address}/{USER}/uploads"
        root = open_root(url, token, authorities)
        upload = send(root, write_upload(tmp_path / "local"), "tiny")
        environ = environ_of(
            tmp_path / "home",
            SEATRIAL_UPLOADS=url,
            SEATRIAL_HDFS_TOKEN_FILE=str(token),
            SSL_CERT_FILE=str(authorities),
        )
        with managers(environ) as [api]:
            run = run_of(api, "secured")
            version = register(run, upload, check_format(run, upload))
            assert api.version(version["model_id"])["source"] == f"{url}/tiny"
        with pytest.raises(TryAgain, match="CERTIFICATE_VERIFY_FAILED"):
            Upload(open_roots([url], token)[0], "tiny").fetch(_new(tmp_path), Deadline.after(1), LIMITS)


def cluster_url(cluster: HdfsCluster, upload: Upload) -> str:
    """The upload's root as the superuser names it."""
    return cluster.url(unquote(urlsplit(upload.root.url).path).strip("/")).replace(" ", "%20")


def with_kerberos() -> dict[str, str]:
    """The environment that has kinit and curl."""
    program("curl", "curl")
    if shutil.which("kinit"):
        return {}
    root = unpacked("krb5-user", *LIBRARIES)
    return {"PATH": f"{root / 'usr' / 'bin'}:{os.environ['PATH']}", "LD_LIBRARY_PATH": library_path(root)}


def _new(tmp_path: Path) -> Path:
    folder = tmp_path / "into"
    folder.mkdir()
    return folder
