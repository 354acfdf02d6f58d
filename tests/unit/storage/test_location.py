"""Where a storage is: which URLs are taken, and what is said of the others."""

from __future__ import annotations

import getpass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.errors import Refused
from seatrial.settings import Settings
from seatrial.storage.location import HdfsFolder, parse_location

ME = getpass.getuser()


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("file:///srv/artifacts", Path("/srv/artifacts")),
        ("file:///srv/with%20space/", Path("/srv/with space")),
        ("hdfs://nn/a", HdfsFolder(("nn:9870",), "a", ME)),
        ("hdfs://seatrial@nn:9871/a/b%20c/", HdfsFolder(("nn:9871",), "a/b c", "seatrial")),
        (
            "hdfs://seatrial@nn1:9870,nn2.example.org/a",
            HdfsFolder(("nn1:9870", "nn2.example.org:9870"), "a", "seatrial"),
        ),
        ("swebhdfs://seatrial@nn/a", HdfsFolder(("nn:9871",), "a", "seatrial", "https")),
        ("hdfs://[::1]:14000/a", HdfsFolder(("[::1]:14000",), "a", ME)),
    ],
)
def test_a_location_is_a_folder_or_a_folder_on_hdfs(url: str, location: Path | HdfsFolder) -> None:
    assert parse_location(url, "SEATRIAL_ARTIFACTS") == location


@pytest.mark.parametrize(
    ("url", "flaw"),
    [
        ("/srv/artifacts", "must be file:///"),
        ("", "must be file:///"),
        ("file://host/srv", "must be file:///"),
        ("file:///", "must be file:///"),
        ("s3://bucket/a", "s3://… must be"),
        ("hdfs://nn", "must be file:///"),
        ("hdfs://nn/", "must be file:///"),
        ("hdfs://nn/a?op=DELETE", "must be file:///"),
        ("hdfs://nn/a#b", "must be file:///"),
        ("hdfs:///a", "is not a NameNode's host"),
        ("hdfs://nn:99999/a", "is not a NameNode's host"),
        ("hdfs://nn:rpc/a", "is not a NameNode's host"),
        ("hdfs://nn,/a", "is not a NameNode's host"),
        ("hdfs://a b/a", "is not a NameNode's host"),
        ("hdfs://x&user.name=hdfs@nn/a", "is not a user"),
        ("hdfs://nn/a:b", "has a ':'"),
        ("hdfs://nn/a/../../b", "leaves its folder"),
        ("hdfs://nn/a%0ab", "characters"),
    ],
)
def test_any_other_is_refused_by_the_settings_name(url: str, flaw: str) -> None:
    with pytest.raises(Refused, match=flaw) as raised:
        parse_location(url, "SEATRIAL_ARTIFACTS")
    assert str(raised.value).startswith("SEATRIAL_ARTIFACTS: ")
    assert raised.value.fields["field"] == "SEATRIAL_ARTIFACTS"


def test_a_password_is_refused_and_never_repeated() -> None:
    with pytest.raises(Refused, match="no password") as raised:
        parse_location("hdfs://seatrial:hunter2@nn/a", "SEATRIAL_ARTIFACTS")
    assert "hunter2" not in str(raised.value) + str(raised.value.fields)


@given(st.text(max_size=40).map(lambda text: f"hdfs://{text}"))
def test_every_text_is_a_location_or_refused(url: str) -> None:
    try:
        found = parse_location(url, "x")
    except Refused:
        return
    assert isinstance(found, HdfsFolder)


def test_the_artifact_store_is_below_the_home_unless_set(tmp_path: Path) -> None:
    home = tmp_path / "a home"
    assert parse_location(Settings.read({"SEATRIAL_HOME": str(home)}).artifacts, "x") == home / "artifacts"
    url = "hdfs://nn:9870/a"
    settings = Settings.read({"SEATRIAL_ARTIFACTS": url, "SEATRIAL_HDFS_TOKEN_FILE": "/run/token"})
    assert (settings.artifacts, settings.hdfs_token) == (url, Path("/run/token"))
