"""A real HDFS for tests: one NameNode and one DataNode of Hadoop, started from jars that `make` fetches."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import httpx

from seatrial.waiting import Deadline, wait_until
from tests.ports import free_ports

JARS = Path(__file__).parents[2] / "build" / "hdfs-jars"
CONFIGURATION = Path(__file__).parent / "conf"
SUPERUSER = "hdfs"

Daemon = Literal["NameNode", "DataNode"]
MAIN: dict[Daemon, str] = {
    "NameNode": "org.apache.hadoop.hdfs.server.namenode.NameNode",
    "DataNode": "org.apache.hadoop.hdfs.server.datanode.DataNode",
}
SHELL = "org.apache.hadoop.fs.FsShell"
PORTS = (
    "NN_RPC",
    "NN_HTTP",
    "NN_HTTPS",
    "DN_XFER",
    "DN_IPC",
    "DN_HTTP",
    "DN_HTTPS",
    "DN_PROXY",
)  # as conf/*.xml names them
QUICK_START = (
    "-Xmx96m",
    "-Xss512k",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+UnlockDiagnosticVMOptions",
    "-XX:-BytecodeVerificationRemote",
    "-Djava.net.preferIPv4Stack=true",
)


def java(main: str, *arguments: str, jvm: tuple[str, ...] = ()) -> list[str]:
    """The command that runs a class of Hadoop."""
    return ["java", *QUICK_START, *jvm, "-cp", f"{CONFIGURATION}:{JARS}/*", main, *arguments]


class HdfsCluster:
    """A NameNode and a DataNode with all their state in `folder`; stopping and starting keeps data and ports."""

    def __init__(self, folder: Path, jvm: tuple[str, ...] = (), **environ: str) -> None:
        """`jvm` and `environ` are further arguments of each Java, and variables that conf/*.xml asks for."""
        assert (JARS / ".ready").exists(), "the tests on HDFS need its jars: make build/hdfs-jars/.ready"
        self._folder, self._jvm = folder, jvm
        self._daemons: dict[Daemon, subprocess.Popen[bytes]] = {}
        self._ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
        self._environ = {
            **os.environ,
            "HADOOP_USER_NAME": SUPERUSER,
            "HDFS_DIR": str(folder),
            "MALLOC_ARENA_MAX": "2",
            **{f"HDFS_{name}": str(port) for name, port in self._ports.items()},
            **environ,
        }
        for part in ("log", "tmp"):
            (folder / part).mkdir(exist_ok=True)
        self._make_certificate()
        self.run(MAIN["NameNode"], "-format", "-force", "-nonInteractive")

    @property
    def address(self) -> str:
        """Where the NameNode answers HTTP, host:port."""
        return f"127.0.0.1:{self._ports['NN_HTTP']}"

    @property
    def rpc_address(self) -> str:
        """Where the NameNode answers Hadoop's own protocol, host:port."""
        return f"127.0.0.1:{self._ports['NN_RPC']}"

    @property
    def secure_address(self) -> str:
        """Where the NameNode answers HTTPS, host:port; `certificate` is what to trust then."""
        return f"127.0.0.1:{self._ports['NN_HTTPS']}"

    @property
    def certificate(self) -> Path:
        return self._folder / "certificate.pem"

    def url(self, folder: str = "", user: str = SUPERUSER) -> str:
        """A folder on this HDFS as SEATRIAL_ARTIFACTS names it."""
        return f"hdfs://{user}@{self.address}/{folder}"

    def start(self, *daemons: Daemon) -> None:
        """Start these, or both. `wait` says when they are ready."""
        for name in daemons or MAIN:
            with self._log(name).open("ab") as log:
                self._daemons[name] = subprocess.Popen(
                    self._java(MAIN[name]), env=self._environ, cwd=self._folder, stdout=log, stderr=log
                )

    def wait(self) -> None:
        """Returns when files can be written: a DataNode that is only registered takes none before its heartbeat."""
        wait_until(self._ready, Deadline.after(120), "HDFS takes files", longest_s=0.1)

    def stop(self, *daemons: Daemon, how: signal.Signals = signal.SIGTERM) -> None:
        """End these, or all; ones that do not run are left alone."""
        ended = [process for name in daemons or MAIN if (process := self._daemons.pop(name, None))]
        for process in ended:
            process.send_signal(how)
        for process in ended:
            process.wait(60)

    def mend(self) -> None:
        """Start what is stopped, wake what hangs, and wait until all is ready."""
        for name in MAIN:
            if name in self._daemons:
                self.signal(name, signal.SIGCONT)
            else:
                self.start(name)
        self.wait()

    def signal(self, daemon: Daemon, number: signal.Signals) -> None:
        self._daemons[daemon].send_signal(number)

    def admin(self, *arguments: str) -> str:
        """What `hdfs dfsadmin` prints."""
        return self.run("org.apache.hadoop.hdfs.tools.DFSAdmin", *arguments)

    def client(self, folder: Path) -> dict[str, str]:
        """The environment in which the command `hdfs dfs …` is Hadoop's own and finds this HDFS; made in `folder`."""
        command = folder / "hdfs"
        command.write_text(f'#!/bin/sh\nshift\nexec {shlex.join(self._java(SHELL))} "$@"\n')
        command.chmod(0o755)
        return {**self._environ, "PATH": f"{folder}:{os.environ['PATH']}"}

    def run(self, main: str, *arguments: str, **environ: str) -> str:
        """What a class of Hadoop prints."""
        done = self.attempt(main, *arguments, **environ)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def attempt(self, main: str, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._java(main, *arguments), env={**self._environ, **environ}, capture_output=True, text=True, check=False
        )

    def rest(self, method: str, path: str, operation: str, **parameters: str | int) -> httpx.Response:
        """One call of the NameNode's REST interface as its superuser, whatever comes."""
        query = {"op": operation, "user.name": SUPERUSER, **parameters}
        return httpx.request(
            method, f"http://{self.address}/webhdfs/v1/{path}", params=query, trust_env=False, timeout=30
        )

    def age(self, folder: str, seconds: float) -> None:
        """Make every file below `folder` as old as this."""
        for entry in self.rest("GET", folder, "LISTSTATUS").json()["FileStatuses"]["FileStatus"]:
            path = f"{folder}/{entry['pathSuffix']}"
            if entry["type"] == "DIRECTORY":
                self.age(path, seconds)
            else:
                then = int(entry["modificationTime"] - seconds * 1000)
                assert self.rest("PUT", path, "SETTIMES", modificationtime=then).is_success

    def _make_certificate(self) -> None:
        store = ("-keystore", str(self._folder / "keystore.p12"), "-storepass", "changeit", "-alias", "hdfs")
        names = ("-dname", "CN=127.0.0.1", "-ext", "SAN=ip:127.0.0.1,dns:localhost")
        subject = (*names, "-keyalg", "EC", "-validity", "2")
        for arguments in (("-genkeypair", *subject), ("-exportcert", "-rfc", "-file", str(self.certificate))):
            subprocess.run(["keytool", *arguments, *store], capture_output=True, check=True)

    def check_alive(self) -> None:
        for name, process in self._daemons.items():
            assert process.poll() is None, self._log(name).read_text()

    def _ready(self) -> bool:
        self.check_alive()
        try:
            space = self._bean("NN_HTTP", "NameNode,name=FSNamesystemState")
            data = json.loads(self._bean("DN_HTTP", "DataNode,name=DataNodeInfo")["BPServiceActorInfo"])[0]
        except (httpx.HTTPError, LookupError, ValueError):
            return False
        return (
            space["FSState"] == "Operational"
            and space["NumLiveDataNodes"] > 0
            and space["CapacityRemaining"] > 0
            and data["ActorState"] == "RUNNING"
            and int(data["LastHeartbeatResponseTime"]) < 3
        )

    def _bean(self, port: str, name: str) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self._ports[port]}/jmx?qry=Hadoop:service={name}"
        found: dict[str, Any] = httpx.get(url, timeout=5, trust_env=False).json()["beans"][0]
        return found

    def _java(self, main: str, *arguments: str) -> list[str]:
        return java(main, *arguments, jvm=(f"-Djava.io.tmpdir={self._folder / 'tmp'}", *self._jvm))

    def _log(self, name: Daemon) -> Path:
        return self._folder / "log" / f"{name}.log"


@contextmanager
def hdfs_cluster() -> Iterator[HdfsCluster]:
    """A running HDFS below the system's temporary folder; nothing of it is left afterwards."""
    with tempfile.TemporaryDirectory(prefix="seatrial-hdfs-") as folder:
        cluster = HdfsCluster(Path(folder))
        try:
            cluster.start()
            cluster.wait()
            yield cluster
        finally:
            cluster.stop(how=signal.SIGKILL)
