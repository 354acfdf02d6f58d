"""Programs that only Debian's packages bring: unpacked beside the tests where that is enough, else installed."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
from pathlib import Path

BUILD = Path(__file__).parent.parent / "build" / "debian"
SOURCES = (Path("/etc/apt/sources.list"), Path("/etc/apt/sources.list.d"))


class NotProvided(Exception):
    """The one line that says what to install."""


def unpacked(*packages: str, component: str = "main") -> Path:
    """A folder with the files of `packages` as they would lie below `/`. Downloaded once, kept for later runs.

    Only the packages named are fetched, not what they depend on. Raises NotProvided where apt cannot bring them.
    """
    root = BUILD / "+".join(packages)
    BUILD.mkdir(parents=True, exist_ok=True)
    with (BUILD / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not root.exists():
            _unpack(packages, component, root)
    return root


def program(name: str, *packages: str) -> str:
    """Where a program is; without it `packages` are installed, where this machine lets us. Raises NotProvided."""
    if found := shutil.which(name):
        return found
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise NotProvided(f"{name} is needed: apt-get install {' '.join(packages)}")
    for command in (["apt-get", "update"], ["apt-get", "install", "-y", "--no-install-recommends", *packages]):
        _run(command, Path.cwd(), packages)
    return shutil.which(name) or name


def _run(command: list[str], folder: Path, packages: tuple[str, ...]) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotProvided(f"install {', '.join(packages)}: apt-get could not: {done.stderr.strip()[-300:]}")


def _unpack(packages: tuple[str, ...], component: str, root: Path) -> None:
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        raise NotProvided(f"install {', '.join(packages)} (Debian's names) and put them on the PATH")
    work = root.with_suffix(".part")
    shutil.rmtree(work, ignore_errors=True)
    for folder in ("lists/partial", "sources", "packages", "root"):
        (work / folder).mkdir(parents=True)
    _write_sources(work / "sources", component)
    options = [
        f"-oDir::Etc::SourceParts={work / 'sources'}",
        "-oDir::Etc::SourceList=/dev/null",
        f"-oDir::State::Lists={work / 'lists'}",
        "-oAPT::Sandbox::User=",
    ]
    for command in (["apt-get", *options, "update"], ["apt-get", *options, "download", *packages]):
        _run(command, work / "packages", packages)
    for package in (work / "packages").glob("*.deb"):
        subprocess.run(["dpkg", "-x", str(package), str(work / "root")], check=True)
    (work / "root").rename(root)
    shutil.rmtree(work)


def _write_sources(folder: Path, component: str) -> None:
    """This machine's own sources, of which only Debian's have the component: the others are left out."""
    for file in (SOURCES[0], *sorted(SOURCES[1].glob("*"))):
        if not file.is_file() or not re.search(r"\bmain\b", text := file.read_text()):
            continue
        if file.suffix == ".sources":
            text = re.sub(r"(?m)^Components:.*$", f"Components: {component}", text)
        else:
            text = re.sub(r"(?m)^(deb .*?)\bmain\b.*$", rf"\1{component}", text)
        if "debian" in text or "ubuntu" in text:
            (folder / (file.name if file.suffix in (".list", ".sources") else f"{file.name}.list")).write_text(text)


def library_path(root: Path) -> str:
    """Every folder below `root` that holds shared libraries, as LD_LIBRARY_PATH wants them."""
    return os.pathsep.join(sorted({str(file.parent) for file in root.rglob("*.so*")}))
