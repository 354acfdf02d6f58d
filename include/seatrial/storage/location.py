"""Where a storage is, as a URL, taken apart without touching it."""

from __future__ import annotations

import getpass
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from seatrial.errors import Refused
from seatrial.storage.folder import Folder
from seatrial.storage.paths import path_flaw
from seatrial.storage.port import Storage

HTTP_PORT = 9870
"""dfs.namenode.http-address of Hadoop 3. Not the port of fs.defaultFS (8020), which speaks Hadoop's own protocol."""

_HOST = re.compile(r"[A-Za-z0-9._:-]+")
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9._-]*[$]?")  # dfs.webhdfs.user.provider.user.pattern


@dataclass(frozen=True)
class HdfsFolder:
    """A folder on HDFS. `namenodes`: host:port of each NameNode's HTTP; with high availability there are several."""

    namenodes: tuple[str, ...]
    path: str
    user: str


def parse_location(url: str, field: str) -> Path | HdfsFolder:
    """`file:///absolute/path` or `hdfs://[user@]namenode[:9870][,namenode…]/path`; parts are percent-encoded.

    The default user is the process's own. Raises Refused, naming `field`; a password is never repeated.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise Refused(f"{field}: {error}", field=field) from None
    path = unquote(parts.path)
    if not parts.query and not parts.fragment:
        if parts.scheme == "file" and not parts.netloc and path.strip("/"):
            return Path("/" + path.strip("/"))
        if parts.scheme == "hdfs" and path.strip("/"):
            return _hdfs(parts.netloc, path.strip("/"), field)
    raise Refused(
        f"{field}: {parts.scheme[:20]}… is not file:///absolute/path or hdfs://[user@]namenode[:{HTTP_PORT}]/path",
        field=field,
    )


def _hdfs(authority: str, path: str, field: str) -> HdfsFolder:
    login, _, hosts = authority.rpartition("@")
    if ":" in login:
        raise Refused(f"{field}: HDFS takes no password in a URL; a delegation token goes into a file", field=field)
    user = unquote(login) or _me()
    if not _USER.fullmatch(user):
        raise Refused(f"{field}: {user[:80]!r} is not a user of HDFS (limit: {_USER.pattern})", field=field)
    flaw = "has a ':'" if ":" in path else path_flaw(path)
    if flaw:
        raise Refused(f"{field}: the path {path[:80]!r} {flaw}", field=field)
    return HdfsFolder(tuple(_namenode(host, field) for host in hosts.split(",")), path, user)


def _me() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return ""


def _namenode(text: str, field: str) -> str:
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname or "", parts.port or HTTP_PORT
    except ValueError:
        host, port = "", 0
    if not _HOST.fullmatch(host):
        raise Refused(f"{field}: {text[:80]!r} is not a NameNode's host[:port]", field=field)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def open_storage(url: str, field: str, token_file: Path | None = None) -> Storage:
    """The storage at a URL; nothing is asked or made yet. `token_file` holds HDFS's delegation token, if it wants one.

    Raises Refused for a URL that `parse_location` refuses.
    """
    location = parse_location(url, field)
    if isinstance(location, Path):
        return Folder(location)
    from seatrial.storage.webhdfs import WebHdfs  # httpx takes 0.2 s to import

    return WebHdfs(location, token_file)
