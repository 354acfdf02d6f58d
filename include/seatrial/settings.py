"""The only reader of the environment. Each setting has its unit, its default and the reason for it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import quote


@dataclass(frozen=True)
class TreeLimits:
    """How large an upload may be, in files and folders and in bytes. The defaults hold a large language-free network
    and stop a runaway export: a model has dozens of files, that one millions."""

    files: int = 10_000
    bytes: int = 8 * 2**30


@dataclass(frozen=True)
class Settings:
    """Read once, passed as a value.

    home               SEATRIAL_HOME            folder of all state; default `.seatrial` below the current folder
    manager_url        SEATRIAL_MANAGER_URL     where the Inference Manager listens; default: what the manager running
                                                on this home wrote down, else loopback
    token              SEATRIAL_TOKEN           bearer token; default: the content of `<home>/token`, which is readable
                                                by its owner only
    uploads            SEATRIAL_UPLOADS         the watched upload roots, URLs with white space between them:
                                                `file:///folder`, `hdfs://[user@]namenode:9870/folder` or
                                                `swebhdfs://…` as for the artifacts; a path stands for its file URL
                                                (a space in it is %20). `hdfs:///folder` is on the NameNode of Airflow's
                                                connection, which the manager does not have. The first is where
                                                `seatrial upload` sends to; default `<home>/uploads`
    largest_upload     SEATRIAL_UPLOAD_FILES,   files and folders that an upload may have, and bytes that they may have
                       SEATRIAL_UPLOAD_BYTES    together; default 10 000 and 8 GiB. The manager's count for a run,
                                                Airflow's for noticing, yours for `seatrial pack` and `upload`
    registry           SEATRIAL_REGISTRY        ml-metadata store; default `sqlite:///<home>/manager/registry.sqlite`
    artifacts          SEATRIAL_ARTIFACTS       artifact store: `file:///folder`, `hdfs://[user@]namenode:9870/folder`
                                                or `swebhdfs://…:9871/folder` (TLS), with the port of the NameNode's
                                                HTTP; default `<home>/artifacts`
    captures           SEATRIAL_CAPTURES        captured live requests, a URL as for the artifacts, of a folder that
                                                nobody else writes to; default `<home>/manager/captures`
    hdfs_token         SEATRIAL_HDFS_TOKEN_FILE file with a delegation token for HDFS, read anew for each question;
                                                default: none, HDFS is told the user's name
    options_file       SEATRIAL_OPTIONS         YAML list of hardware options; default: what this machine has
    other_work_cores   SEATRIAL_OTHER_WORK_CORES  CPU cores of a server's that other work may use while it is
                                                measured; default 0.1. With more a window is measured again, and after
                                                three the option has no figure. "any": noted, and measured all the same
    triton             SEATRIAL_TRITON          folder with bin/tritonserver and backends/; default: the one inside the
                                                nvidia-pytriton package, a real server with the python backend only
    settle_s           SEATRIAL_SETTLE_S        seconds for which an upload without a _SUCCESS marker must stay
                                                unchanged; default 5: two polls of the watcher and some
    silent_s           SEATRIAL_SILENT_S        seconds without an answer to a health question until a server is
                                                replaced; default 30: one under full load answers late
    hung_s             SEATRIAL_HUNG_S          seconds in which requests wait at a server and none is completed, or one
                                                of its instances works on the same ones, until it is replaced; default
                                                30, and never less than ten times what its warm-up took. More where one
                                                request takes longer than that
    outstanding_s      SEATRIAL_OUTSTANDING_S   seconds that the last requests of a replaced server may take; default 30
    keep_warm_s        SEATRIAL_KEEP_WARM_S     seconds for which the servers of the version before stay ready after a
                                                promotion, so that a rollback starts nothing; default 900: the watch
                                                and ten minutes for a person. They cost memory, and CPU for the request
                                                in 5 s that shows that they answer; 0 stops them once they have drained
    watch_s            SEATRIAL_WATCH_S         seconds after a promotion in which errors and latency are held against
                                                what validation promised, a breach rolls back; default 300: five
                                                windows of Triton's latency summary; 0 watches nothing
    stop_servers       SEATRIAL_STOP_SERVERS    "1": the manager stops all servers when it ends; default: they go on,
                                                and the next manager finds them again
    """

    home: Path
    manager_url: str
    token: str | None
    uploads: tuple[str, ...]
    largest_upload: TreeLimits
    registry: str
    artifacts: str
    captures: str
    hdfs_token: Path | None
    options_file: Path | None
    other_work_cores: float | None
    triton: Path | None
    settle_s: float
    silent_s: float
    hung_s: float
    outstanding_s: float
    keep_warm_s: float
    watch_s: float
    stop_servers: bool

    @classmethod
    def read(cls, environ: Mapping[str, str] | None = None) -> Settings:
        env = os.environ if environ is None else environ
        home = Path(env.get("SEATRIAL_HOME", ".seatrial")).absolute()
        return cls(
            home=home,
            manager_url=env.get("SEATRIAL_MANAGER_URL") or _text(home / "manager.url") or "http://127.0.0.1:8765",
            token=env.get("SEATRIAL_TOKEN") or _text(home / "token"),
            uploads=tuple(map(_url, env.get("SEATRIAL_UPLOADS", "").split())) or ((home / "uploads").as_uri(),),
            largest_upload=TreeLimits(
                files=int(env.get("SEATRIAL_UPLOAD_FILES", TreeLimits.files)),
                bytes=int(env.get("SEATRIAL_UPLOAD_BYTES", TreeLimits.bytes)),
            ),
            registry=env.get("SEATRIAL_REGISTRY", f"sqlite:///{home / 'manager' / 'registry.sqlite'}"),
            artifacts=env.get("SEATRIAL_ARTIFACTS") or (home / "artifacts").as_uri(),
            captures=env.get("SEATRIAL_CAPTURES") or (home / "manager" / "captures").as_uri(),
            hdfs_token=_path(env.get("SEATRIAL_HDFS_TOKEN_FILE")),
            options_file=_path(env.get("SEATRIAL_OPTIONS")),
            other_work_cores=_unless_any(env.get("SEATRIAL_OTHER_WORK_CORES", "0.1")),
            triton=_path(env.get("SEATRIAL_TRITON")),
            settle_s=float(env.get("SEATRIAL_SETTLE_S", "5")),
            silent_s=float(env.get("SEATRIAL_SILENT_S", "30")),
            hung_s=float(env.get("SEATRIAL_HUNG_S", "30")),
            outstanding_s=float(env.get("SEATRIAL_OUTSTANDING_S", "30")),
            keep_warm_s=float(env.get("SEATRIAL_KEEP_WARM_S", "900")),
            watch_s=float(env.get("SEATRIAL_WATCH_S", "300")),
            stop_servers=env.get("SEATRIAL_STOP_SERVERS", "") == "1",
        )

    @cached_property
    def servers(self) -> Path:
        """One folder an Inference Server: its Triton model repository, log and state."""
        return self.home / "servers"


def _path(text: str | None) -> Path | None:
    return Path(text).absolute() if text else None


def _unless_any(text: str) -> float | None:
    return None if text == "any" else float(text)


def _url(text: str) -> str:
    return text if "://" in text else "file://" + quote(str(Path(text).absolute()), safe="/%")


def _text(path: Path) -> str | None:
    try:
        return path.read_text().strip() or None
    except OSError:
        return None
