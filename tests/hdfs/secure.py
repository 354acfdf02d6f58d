"""A real HDFS with Kerberos: a KDC of its own beside NameNode and DataNode, TLS only, delegation tokens."""

from __future__ import annotations

import base64
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seatrial.waiting import Deadline, wait_until
from tests.hdfs.cluster import SHELL, HdfsCluster, java

SUPERUSER, SERVICE, USER = "hdfs/localhost", "HTTP/localhost", "seatrial"  # conf/*.xml name the first two
SECURE = {
    "HDFS_AUTHENTICATION": "kerberos",
    "HDFS_BLOCK_TOKENS": "true",
    "HDFS_HTTP_POLICY": "HTTPS_ONLY",
    "HDFS_PROTECTION": "authentication",
}
KDC_SETTINGS = """\
org.name=EXAMPLE
org.domain=COM
kdc.bind.address=localhost
kdc.port=0
instance=DefaultKrbServer
max.ticket.lifetime=86400000
max.renewable.lifetime=604800000
transport=TCP
debug=false
"""


class SecureHdfs:
    """`cluster` is running; who calls needs a ticket, which only the KDC's keytab gives, or a delegation token."""

    def __init__(self, folder: Path, cluster: HdfsCluster) -> None:
        self._folder, self.cluster = folder, cluster

    def has_folder(self) -> bool:
        """Whether HDFS is up and has made a folder /USER of `USER`. Its HTTP, where others ask, wants a ticket."""
        self.cluster.check_alive()
        return all(
            self.cluster.attempt(SHELL, *arguments, **self._ticket(SUPERUSER)).returncode == 0
            for arguments in (("-mkdir", "-p", f"/{USER}"), ("-chown", USER, f"/{USER}"))
        )

    def new_token(self) -> str:
        """A delegation token of `USER` in the form that WebHDFS takes."""
        file = self._folder / "credentials"
        self._fetcher("--renewer", USER, str(file))
        data = file.read_bytes()
        assert data[:6] == b"HDTS\0\1", "Hadoop's file of one token"
        return base64.urlsafe_b64encode(data[7 + data[6] : -1]).decode().rstrip("=")

    def cancel_token(self) -> None:
        """End the token that was made last."""
        self._fetcher("--cancel", str(self._folder / "credentials"))

    @property
    def login(self) -> dict[str, str]:
        """The environment in which kinit and curl find this KDC, and what the command of docs/operations.md asks for.
        Tickets are kept in a file of the KDC's own."""
        _, _, port = self.cluster.secure_address.partition(":")
        return {
            "KRB5_CONFIG": str(self._folder / "kdc" / "krb5.conf"),
            "KRB5CCNAME": f"FILE:{self._folder / 'tickets'}",
            "KEYTAB": str(self._folder / "keytab"),
            "PRINCIPAL": f"{USER}@EXAMPLE.COM",
            "NAMENODE": f"https://localhost:{port}",
            "AUTHORITIES": str(self.cluster.certificate),
        }

    def _fetcher(self, *arguments: str) -> None:
        self.cluster.run("org.apache.hadoop.hdfs.tools.DelegationTokenFetcher", *arguments, **self._ticket(USER))

    def _ticket(self, principal: str) -> dict[str, str]:
        return {"KRB5PRINCIPAL": f"{principal}@EXAMPLE.COM", "KRB5KEYTAB": str(self._folder / "keytab")}


@contextmanager
def secure_hdfs() -> Iterator[SecureHdfs]:
    """Running, with a folder /USER of `USER`; nothing of it is left afterwards."""
    with tempfile.TemporaryDirectory(prefix="seatrial-hdfs-") as text, _kdc(Path(text)) as settings:
        folder = Path(text)
        cluster = HdfsCluster(folder, (f"-Djava.security.krb5.conf={settings}",), **SECURE)
        try:
            cluster.start()
            secure = SecureHdfs(folder, cluster)
            wait_until(secure.has_folder, Deadline.after(120), "HDFS with Kerberos takes folders")
            yield secure
        finally:
            cluster.stop(how=signal.SIGKILL)


@contextmanager
def _kdc(folder: Path) -> Iterator[Path]:
    """A KDC that has written `keytab`, and where its clients' settings are."""
    settings, work = folder / "kdc.properties", folder / "kdc"
    settings.write_text(KDC_SETTINGS)
    work.mkdir()
    command = java(
        "org.apache.hadoop.minikdc.MiniKdc", str(work), str(settings), str(folder / "keytab"), SUPERUSER, SERVICE, USER
    )
    with (folder / "kdc.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        wait_until(lambda: _runs(process, folder / "kdc.log"), Deadline.after(60), "the KDC runs")
        yield work / "krb5.conf"
    finally:
        process.kill()
        process.wait(60)


def _runs(process: subprocess.Popen[bytes], log: Path) -> bool:
    said = log.read_text()
    assert process.poll() is None, said
    return "Standalone MiniKdc Running" in said
