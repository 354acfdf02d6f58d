"""Airflow's connection to HDFS: the upload roots that it leads to, and what is refused of it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("airflow", reason="the operators run in Airflow's environment only")

from operators.hdfs import HdfsHook, find_upload, upload_roots
from seatrial.errors import Refused
from seatrial.uploads.roots import UploadRoot


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("SEATRIAL_UPLOADS", "/srv/uploads hdfs:///models hdfs://ann@other:14000/models")
    monkeypatch.delenv("SEATRIAL_HDFS_TOKEN_FILE", raising=False)
    return monkeypatch


def connect(monkeypatch: pytest.MonkeyPatch, **fields: Any) -> None:
    connection = {"conn_type": "webhdfs", "host": "nn1,nn2", "port": 9870, "login": "seatrial", **fields}
    monkeypatch.setenv("AIRFLOW_CONN_WEBHDFS_DEFAULT", json.dumps(connection))


def access(root: UploadRoot) -> tuple[Any, ...]:
    http = root.storage._http  # type: ignore[attr-defined]
    return http._folder.namenodes, http._folder.protocol, http._folder.user, http._token_file


def test_a_root_without_a_host_is_on_the_connections_namenodes(settings: pytest.MonkeyPatch) -> None:
    connect(settings)
    local, ours, other = upload_roots()
    assert local.folder == Path("/srv/uploads")
    assert ours.url == "hdfs://nn1:9870,nn2:9870/models"
    assert access(ours) == (("nn1:9870", "nn2:9870"), "http", "seatrial", None)
    assert access(other) == (("other:14000",), "http", "ann", None)


def test_tls_and_a_token_are_the_connections_or_the_settings(settings: pytest.MonkeyPatch) -> None:
    settings.setenv("SEATRIAL_HDFS_TOKEN_FILE", "/etc/token")
    connect(settings, port=None, extra={"use_ssl": True})
    _, ours, other = upload_roots()
    assert access(ours) == (("nn1:9871", "nn2:9871"), "https", "seatrial", Path("/etc/token"))
    assert access(other)[3] == Path("/etc/token")
    connect(settings, extra={"use_ssl": "True", "token_file": "/etc/connections-token"})
    assert access(upload_roots()[1])[1:] == ("https", "seatrial", Path("/etc/connections-token"))


def test_certificates_that_cannot_be_read_are_refused_by_name(settings: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "none.pem").write_text("not a certificate")
    for verify in (tmp_path / "nowhere.pem", tmp_path / "none.pem"):
        connect(settings, extra={"use_ssl": True, "verify": str(verify)})
        with pytest.raises(Refused, match=f"certificates cannot be checked with {verify}: "):
            upload_roots()


def test_an_upload_is_found_by_its_full_name_and_by_the_one_without_a_host(settings: pytest.MonkeyPatch) -> None:
    connect(settings)
    for name in ("hdfs:///models/a%20b", "hdfs://nn2:9870/models/a%20b"):
        found = find_upload(name)
        assert (found.name, found.path) == ("hdfs://nn1:9870,nn2:9870/models/a%20b", "a b")
    with pytest.raises(Refused, match="not below the upload roots"):
        find_upload("hdfs:///other/a")


def test_without_such_a_root_no_connection_is_needed(settings: pytest.MonkeyPatch) -> None:
    settings.setenv("SEATRIAL_UPLOADS", "/srv/uploads hdfs://nn/models")
    assert find_upload("/srv/uploads/a").path == "a"
    assert [root.url for root in upload_roots()] == ["file:///srv/uploads", "hdfs://nn:9870/models"]


def test_a_connection_that_leads_nowhere_refuses_no_upload_on_this_machine(settings: pytest.MonkeyPatch) -> None:
    connect(settings, password="secret")
    assert find_upload("/srv/uploads/a").path == find_upload("file:///srv/uploads/a").path == "a"
    with pytest.raises(Refused, match="password"):
        find_upload("hdfs:///models/a")


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"schema": "gateway"}, "schema"),
        ({"password": "secret"}, "password"),
        ({"extra": {"cookies": {"a": "b"}}}, "cookies"),
        ({"extra": {"cert": "/a.pem"}}, "cert"),
        ({"host": ""}, "NameNode's host"),
        ({"login": "ann:secret"}, "is not a user"),
    ],
)
def test_what_seatrial_cannot_use_of_a_connection_is_refused_by_name(
    settings: pytest.MonkeyPatch, fields: dict[str, Any], named: str
) -> None:
    connect(settings, **fields)
    with pytest.raises(Refused, match=named):
        upload_roots()


def test_a_connection_that_is_not_there_is_named(settings: pytest.MonkeyPatch) -> None:
    with pytest.raises(Refused, match="webhdfs_default"):
        upload_roots()


def test_the_hook_is_the_providers_for_its_connection() -> None:
    assert HdfsHook().webhdfs_conn_id == HdfsHook.default_conn_name == "webhdfs_default"


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("/srv/a b", True),
        ("file:///srv/a", True),
        ("hdfs://nn:9870/a", True),
        ("hdfs:///a", True),
        ("swebhdfs://nn1,nn2/a", True),
        ("/srv/a\n", False),
        ("/srv/a\nb", False),
        ("hdfs://nn/a\x7f", False),
        ("/srv/a\u2028b", False),
        ("http://nn/a", False),
        ("relative", False),
        ("hdfs://", False),
        ("", False),
    ],
)
def test_the_form_takes_upload_names_and_no_control_character(name: str, taken: bool) -> None:
    from dags.model_version import UPLOAD_NAME

    assert bool(re.search(UPLOAD_NAME, name)) == taken
