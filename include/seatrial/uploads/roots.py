"""Upload roots: the watched folders, on this machine or on HDFS, and the names of the uploads below them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import quote, urlsplit

from seatrial.errors import Refused, UploadRefused
from seatrial.storage.location import HdfsFolder, parse_location, storage_at
from seatrial.storage.paths import path_flaw
from seatrial.storage.port import Storage

SETTING = "SEATRIAL_UPLOADS"


@dataclass(frozen=True)
class UploadRoot:
    """A watched folder. `storage` has its paths relative to the root. Opening asks and makes nothing."""

    location: Path | HdfsFolder
    storage: Storage

    @cached_property
    def url(self) -> str:
        """Names it, without its user."""
        return self.location.as_uri() if isinstance(self.location, Path) else _url(self.location)

    @property
    def folder(self) -> Path | None:
        """Where it is on this machine; None on HDFS."""
        return self.location if isinstance(self.location, Path) else None

    def name_of(self, relative: str) -> str:
        """The upload name of what is at `relative`, a path as the storage takes it: an absolute path on this machine,
        on HDFS a percent-encoded URL without a user."""
        return str(self.folder / relative) if self.folder else f"{self.url}/{quote(relative)}"


def open_roots(urls: Iterable[str], token_file: Path | None = None) -> tuple[UploadRoot, ...]:
    """The roots at these URLs, in their order. `token_file` holds HDFS's delegation token, if it wants one.

    Raises Refused, naming SEATRIAL_UPLOADS, for what is no URL of a folder; also for HDFS without a host: only Airflow
    has a connection that names one.
    """
    return tuple(open_root(url, token_file) for url in urls)


def open_root(url: str, token_file: Path | None = None, authorities: Path | None = None) -> UploadRoot:
    """One of them; `authorities` are the certificates that HDFS's is checked with, if not this machine's."""
    location = parse_location(url, SETTING)
    return UploadRoot(location, storage_at(location, token_file, authorities))


def locate(roots: Sequence[UploadRoot], upload: str) -> tuple[UploadRoot, str]:
    """The first root that an upload name is below, and the path from there. Nothing is asked of HDFS.

    Symbolic links of this machine are followed first, so that none leads out of a root. On HDFS one NameNode of the
    root's is enough. Raises Refused for what is below no root, is no upload name, or names a user; UploadRefused for a
    path that `path_flaw` finds fault with.
    """
    if upload.startswith("/"):
        wanted: Path | HdfsFolder = Path(upload)
    else:
        wanted = parse_location(upload, "upload")
        if "@" in urlsplit(upload).netloc:
            raise Refused("upload: the name of an upload holds no user", field="upload")
    for root in roots:
        relative = _below(root, wanted)
        if relative:
            flaw = path_flaw(relative)
            if flaw:
                raise UploadRefused(flaw, file=".", field="upload", value=relative)
            return root, relative
    limit = ", ".join(root.name_of("…") for root in roots)
    raise Refused(
        f"{upload} is not below the upload root{'s' * (len(roots) > 1)} {limit}",
        field="upload",
        value=upload,
        limit=limit,
    )


def local_folder(urls: Sequence[str], purpose: str) -> Path:
    """The first root as a folder of this machine. Raises Refused when it is on HDFS; `purpose` says what wants it."""
    found = parse_location(urls[0], SETTING)
    if isinstance(found, Path):
        return found
    raise Refused(f"{purpose} needs an upload root on this machine, and {_url(found)} is on HDFS", field=SETTING)


def _url(location: HdfsFolder) -> str:
    scheme = {"http": "hdfs", "https": "swebhdfs"}[location.protocol]
    return f"{scheme}://{','.join(location.namenodes)}/{quote(location.path)}"


def _below(root: UploadRoot, wanted: Path | HdfsFolder) -> str | None:
    """The path from the root to what is wanted, when that is below it."""
    home = root.location
    if isinstance(home, Path) and isinstance(wanted, Path):
        folder, found = home.resolve(), wanted.resolve()
        return found.relative_to(folder).as_posix() if folder in found.parents else None
    if isinstance(home, Path) or isinstance(wanted, Path):
        return None
    same = home.protocol == wanted.protocol and not set(home.namenodes).isdisjoint(wanted.namenodes)
    return wanted.path.removeprefix(f"{home.path}/") if same and wanted.path.startswith(f"{home.path}/") else None
