"""Upload roots and names: what is below a root, what is refused, and that a name is found again."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.errors import Refused
from seatrial.settings import Settings
from seatrial.storage.paths import path_flaw
from seatrial.uploads.roots import UploadRoot, local_folder, locate, open_roots

HDFS = "hdfs://ann@nn1:9870,nn2/models/in%20box"
ROOTS = open_roots(["file:///srv/up%20loads", HDFS, "swebhdfs://nn1/models"])


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        (None, ("file:///home/ann/uploads",)),
        ("  ", ("file:///home/ann/uploads",)),
        ("/srv/a", ("file:///srv/a",)),
        ("/srv/a%20b\n hdfs://nn/c\tfile:///d", ("file:///srv/a%20b", "hdfs://nn/c", "file:///d")),
        ("/srv/a#b?c", ("file:///srv/a%23b%3Fc",)),
        ("hdfs:///models", ("hdfs:///models",)),
    ],
)
def test_the_setting_is_urls_with_white_space_between_them(text: str | None, urls: tuple[str, ...]) -> None:
    environ = {"SEATRIAL_HOME": "/home/ann", **({} if text is None else {"SEATRIAL_UPLOADS": text})}
    assert Settings.read(environ).uploads == urls


def test_a_root_is_named_without_its_user_and_with_every_port() -> None:
    assert [root.url for root in ROOTS] == [
        "file:///srv/up%20loads",
        "hdfs://nn1:9870,nn2:9870/models/in%20box",
        "swebhdfs://nn1:9871/models",
    ]
    assert [root.folder for root in ROOTS] == [Path("/srv/up loads"), None, None]


@pytest.mark.parametrize(
    ("upload", "at", "relative"),
    [
        ("/srv/up loads/a", 0, "a"),
        ("/srv/up loads/team/../a", 0, "a"),
        ("file:///srv/up%20loads/a%25b", 0, "a%b"),
        ("hdfs://nn1:9870,nn2:9870/models/in%20box/team/a", 1, "team/a"),
        ("hdfs://nn2/models/in%20box/a", 1, "a"),
        ("hdfs://NN2:9870,nn3/models/in%20box/a%3Fb", 1, "a?b"),
        ("swebhdfs://nn1:9871/models/in%20box/a", 2, "in box/a"),
    ],
)
def test_an_upload_is_found_below_its_root(upload: str, at: int, relative: str) -> None:
    assert locate(ROOTS, upload) == (ROOTS[at], relative)


@pytest.mark.parametrize(
    "upload",
    [
        "/srv/up loads",
        "/srv/up loads/",
        "/srv/up loads/..",
        "/srv/up loads/../other/a",
        "/srv/up loads-2/a",
        "/etc/passwd",
        "relative/a",
        "",
        "file://host/srv/up%20loads/a",
        "hdfs://nn1:9870/models/in%20box",
        "hdfs://nn1:9870/models/in%20box2/a",
        "hdfs://nn1:9870/models/in%20box/../a",
        "hdfs://nn1:8020/models/in%20box/a",
        "hdfs://nn3/models/in%20box/a",
        "hdfs:///models/in%20box/a",
        "hdfs://ann@nn1:9870/models/in%20box/a",
        "hdfs://ann:secret@nn1:9870/models/in%20box/a",
        "hdfs://nn1:9870/models/in%20box/a?op=DELETE",
        "hdfs://nn1:9870/models/in%20box/%7B%7B%20a%20%7D%7D",
        "hdfs://nn1:9870/models/in%20box/a%0Ab",
        "swebhdfs://nn2/models/a",
        "s3://bucket/a",
        "/srv/up loads/{{ a }}",
    ],
)
def test_what_is_below_no_root_is_refused_and_no_password_is_repeated(upload: str) -> None:
    with pytest.raises(Refused) as raised:
        locate(ROOTS, upload)
    assert raised.value.fields["field"] == "upload"
    assert "secret" not in str(raised.value)


def test_a_link_does_not_lead_out_of_a_root_and_a_root_may_be_one(tmp_path: Path) -> None:
    for name in ("root/a", "outside/a"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "root" / "out").symlink_to(tmp_path / "outside" / "a")
    (tmp_path / "root" / "in").symlink_to(tmp_path / "root" / "a")
    (tmp_path / "link").symlink_to(tmp_path / "root")
    for root in ("root", "link"):
        roots = open_roots([(tmp_path / root).as_uri()])
        assert locate(roots, str(tmp_path / "root" / "a")) == locate(roots, str(tmp_path / "link" / "a"))
        assert locate(roots, str(tmp_path / "link" / "in")) == (roots[0], "a")
        with pytest.raises(Refused):
            locate(roots, str(tmp_path / root / "out"))


@given(st.sampled_from(ROOTS), st.text(min_size=1, max_size=40))
def test_a_name_of_a_root_is_found_below_it_again(root: UploadRoot, relative: str) -> None:
    if path_flaw(relative) or (":" in relative and root.folder is None):
        return
    assert locate([root], root.name_of(relative)) == (root, relative)


@pytest.mark.parametrize("url", ["hdfs:///models", "s3://bucket/a", "hdfs://nn/", "file:///"])
def test_what_is_no_root_is_refused_by_the_name_of_its_setting(url: str) -> None:
    with pytest.raises(Refused, match="SEATRIAL_UPLOADS"):
        open_roots([url])


def test_who_needs_a_folder_says_so_where_the_root_is_on_hdfs() -> None:
    assert local_folder(["file:///srv/up%20loads", HDFS], "seatrial upload") == Path("/srv/up loads")
    with pytest.raises(Refused, match="seatrial upload needs an upload root on this machine") as raised:
        local_folder([HDFS], "seatrial upload")
    assert "ann" not in str(raised.value)
