"""Where a storage is, as a URL, taken apart without touching it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from seatrial.errors import Refused
from seatrial.storage.folder import Folder
from seatrial.storage.paths import path_flaw
from seatrial.storage.port import Storage
from seatrial.user_name import user_name

PROTOCOLS: Mapping[str, tuple[Literal["http", "https"], int]] = {"hdfs": ("http", 9870), "swebhdfs": ("https", 9871)}
"""Scheme → how to talk to HDFS, and the usual port: that of dfs.namenode.http-address or https-address, not the one of
fs.defaultFS (8020), which speaks Hadoop's own protocol. swebhdfs is Hadoop's own word."""

_HOST = re.compile(r"[A-Za-z0-9._:-]+")
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9._-]*[$]?")  # dfs.webhdfs.user.provider.user.pattern


@dataclass(frozen=True)
class HdfsFolder:
    """A folder on HDFS. `namenodes`: host:port of each NameNode's HTTP; with high availability there are several."""

    namenodes: tuple[str, ...]
    path: str
    user: str
    protocol: Literal["http", "https"] = "http"


def parse_location(url: str, field: str) -> Path | HdfsFolder:
    """`file:///absolute/path`, `hdfs://[user@]namenode[:9870][,namenode…]/path`, or `swebhdfs://` for TLS (port 9871).

    Parts are percent-encoded. The default user is the process's own. Raises Refused, naming `field` and never a
    password.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise Refused(f"{field}: {error}", field=field) from None
    path = unquote(parts.path)
    if not parts.query and not parts.fragment:
        if parts.scheme == "file" and not parts.netloc and path.strip("/"):
            return Path("/" + path.strip("/"))
        if parts.scheme in PROTOCOLS and path.strip("/"):
            return _hdfs(parts.scheme, parts.netloc, path.strip("/"), field)
    raise Refused(
        f"{field}: {parts.scheme[:20] + '://…' if parts.scheme else 'a text without scheme'} must be"
        " file:///absolute/path, hdfs://[user@]namenode[:9870]/path or, with TLS, swebhdfs://[user@]namenode[:9871]/path",
        field=field,
    )


def _hdfs(scheme: str, authority: str, path: str, field: str) -> HdfsFolder:
    login, _, hosts = authority.rpartition("@")
    if ":" in login:
        raise Refused(f"{field}: HDFS takes no password in a URL; a delegation token goes into a file", field=field)
    user = unquote(login) or user_name()
    if not _USER.fullmatch(user):
        raise Refused(f"{field}: {user[:80]!r} is not a user of HDFS (limit: {_USER.pattern})", field=field)
    flaw = "has a ':'" if ":" in path else path_flaw(path)
    if flaw:
        raise Refused(f"{field}: the path {path[:80]!r} {flaw}", field=field)
    protocol, port = PROTOCOLS[scheme]
    return HdfsFolder(tuple(_namenode(host, port, field) for host in hosts.split(",")), path, user, protocol)


def _namenode(text: str, usual_port: int, field: str) -> str:
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname or "", parts.port or usual_port
    except ValueError:
        host, port = "", 0
    if not _HOST.fullmatch(host):
        raise Refused(f"{field}: {text[:80]!r} is not a NameNode's host[:port]", field=field)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def open_storage(url: str, field: str, token_file: Path | None = None, authorities: Path | None = None) -> Storage:
    """The storage at a URL; nothing is asked or made yet. `token_file` holds HDFS's delegation token, if it wants one;
    `authorities` are the certificates that are trusted with TLS, in place of this machine's.

    Raises Refused for a URL that `parse_location` refuses.
    """
    return storage_at(parse_location(url, field), token_file, authorities)


def storage_at(location: Path | HdfsFolder, token_file: Path | None = None, authorities: Path | None = None) -> Storage:
    """The same at a location."""
    if isinstance(location, Path):
        return Folder(location)
    from seatrial.storage.webhdfs import WebHdfs  # httpx takes 0.2 s to import

    return WebHdfs(location, token_file, authorities)
