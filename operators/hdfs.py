"""HDFS as Airflow knows it: the apache-hdfs provider's connection, and the upload roots that it leads to.

`open_upload_root(url)` opens a root of the settings, for the trigger; it may look up the connection, so a trigger calls
it in a thread, and again while the root is in trouble: the connection may have been mended. `find_upload(name)` is the
upload of that name below one of the roots, for tasks.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit, urlunsplit

from airflow.providers.apache.hdfs.hooks.webhdfs import WebHDFSHook
from airflow.sdk.exceptions import AirflowNotFoundException

if TYPE_CHECKING:
    from seatrial.uploads.roots import UploadRoot
    from seatrial.uploads.source import Upload

WITHOUT_EFFECT = ("cert", "key", "cookies", "headers")


class HdfsHook(WebHDFSHook):
    """Airflow connection `webhdfs_default`: host (NameNodes with commas between them), port, login (the HDFS user), and
    in extra `use_ssl`, `verify` (a file with the certificates to trust) and, which the provider does not know,
    `token_file` with a delegation token.

    Seatrial reads and writes by a client of its own (ADR 8), so what that cannot do is refused: a path before HDFS's
    own (schema), a password, client certificates, cookies, headers. TLS without a check of the certificate, which the
    provider does by default, is not done.
    """

    def root(self, url: str) -> UploadRoot:
        """The upload root at a URL without a host, on the connection's NameNode. Raises Refused for a connection that
        cannot lead there."""
        from seatrial.settings import Settings
        from seatrial.uploads.roots import open_root

        extra = self._fields().extra_dejson
        token_file, verify = extra.get("token_file"), extra.get("verify")
        return open_root(
            self.named(url, user=True),
            Path(token_file) if token_file else Settings.read().hdfs_token,
            Path(verify) if isinstance(verify, str) and verify.lower() not in ("true", "false") else None,
        )

    def named(self, url: str, *, user: bool = False) -> str:
        """A URL of HDFS without a host, with the connection's NameNodes and scheme, and its user if asked."""
        connection = self._fields()
        secure = str(connection.extra_dejson.get("use_ssl", False)).lower() == "true"
        port = f":{connection.port}" if connection.port else ""
        hosts = ",".join(f"{host.strip()}{port}" for host in (connection.host or "").split(","))
        login = f"{quote(connection.login)}@" if user and connection.login else ""
        return urlunsplit(("swebhdfs" if secure else "hdfs", login + hosts, urlsplit(url).path, "", ""))

    def _fields(self) -> Any:
        from seatrial.errors import Refused

        try:
            connection = self.get_connection(self.webhdfs_conn_id)
        except AirflowNotFoundException as error:
            said = f"an upload root without a host needs Airflow's connection {self.webhdfs_conn_id}: {error}"
            raise Refused(said, field="connection") from error
        given = [name for name in ("schema", "password") if getattr(connection, name)]
        given += [name for name in WITHOUT_EFFECT if connection.extra_dejson.get(name)]
        if given:
            said = f"connection {self.webhdfs_conn_id}: Seatrial cannot use {', '.join(given)}"
            raise Refused(said, field=given[0], limit="host, port, login; extra: use_ssl, verify, token_file")
        return connection


def open_upload_root(url: str) -> UploadRoot:
    """The root at a URL of the settings; one on HDFS without a host is on the connection's NameNode.

    Raises Refused for a URL or a connection that leads nowhere.
    """
    from seatrial.settings import Settings
    from seatrial.uploads.roots import open_root

    return HdfsHook().root(url) if _wants_host(url) else open_root(url, Settings.read().hdfs_token)


def upload_roots() -> tuple[UploadRoot, ...]:
    """All roots of the settings, in their order."""
    from seatrial.settings import Settings

    return tuple(map(open_upload_root, Settings.read().uploads))


def find_upload(name: str) -> Upload:
    """The upload of this name. Raises Refused for one that is below no root.

    For a name on this machine no root on HDFS is opened: a connection that leads nowhere fails no upload but its own.
    """
    from seatrial.settings import Settings
    from seatrial.uploads.source import Upload

    if _is_here(name):
        here = [url for url in Settings.read().uploads if _is_here(url)]
        return Upload.at(tuple(map(open_upload_root, here)) or upload_roots(), name)
    return Upload.at(upload_roots(), HdfsHook().named(name) if _wants_host(name) else name)


def _is_here(name: str) -> bool:
    return name.startswith(("/", "file:"))


def _wants_host(url: str) -> bool:
    from seatrial.storage.location import PROTOCOLS

    return url.partition(":///")[0] in PROTOCOLS
