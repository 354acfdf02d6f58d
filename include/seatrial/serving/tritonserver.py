"""The tritonserver binary of this machine: where it is, what it needs around it, and its command line."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import secrets
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from seatrial.errors import ServerFailed
from seatrial.serving.ports import HOST, Ports
from seatrial.serving.triton_metrics import options as metrics_options

PASSED_ON = ("HOME", "LANG", "LC_ALL", "TMPDIR", "TZ")
"""What a server sees of the manager's environment. No more: a token in there is none of a model's business. Which GPU
it sees is its placement's matter."""

LIBPYTHON = f"libpython{sys.version_info.major}.{sys.version_info.minor}.so.1.0"

CLOSED_APIS = "model-repository,shared-memory,logging,trace"
"""Protocols that no caller needs here; they could unload the model, or have the server write files."""


@dataclass(frozen=True)
class TritonInstallation:
    """A tritonserver that can be started. `environment` is the whole environment of the server."""

    binary: Path
    backends: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def find(cls, folder: Path | None, home: Path) -> TritonInstallation:
        """The installation in `folder` (bin/tritonserver, backends/), or else the one inside the nvidia-pytriton
        package, whose python backend is put together once below `home`.

        Raises ServerFailed with what is missing and what to install.
        """
        if folder is None:
            return _from_package(home)
        found = cls(folder / "bin" / "tritonserver", folder / "backends", _environment(folder / "lib"))
        for path in (found.binary, found.backends / "python"):
            if not path.exists():
                raise ServerFailed(f"{folder} is no Triton installation: {path} is missing")
        return found

    def backend_names(self) -> frozenset[str]:
        """The backends that the installation has: each is a folder of its name."""
        return frozenset(path.name for path in self.backends.iterdir() if path.is_dir())

    def identity(self) -> str:
        """What computes: two servers with the same identity take equally long."""
        with self.binary.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        versions = (f"{name} {importlib.metadata.version(name)}" for name in ("onnxruntime", "openvino"))
        return f"tritonserver sha256:{digest[:12]}, {', '.join(versions)}"

    def command(
        self,
        repository: Path,
        model: str,
        ports: Ports,
        server_id: str,
        exit_timeout_s: float = 20.0,
        *,
        computes: bool = True,
    ) -> list[str]:
        """The command line that serves one model of `repository` on loopback, and ends when it cannot.

        At SIGTERM it ends when all requests under way have been answered, or after `exit_timeout_s`. A server that
        `computes` nothing itself, because a python process does, is given no memory pools: 64 MiB less on the GPU.
        """
        closed = f"{CLOSED_APIS}:seatrial={secrets.token_hex(16)}"  # known to nobody: closed, not guarded
        return [
            str(self.binary),
            f"--id={server_id}",
            f"--model-repository={repository}",
            f"--backend-directory={self.backends}",
            # Explicit: polling can read half a folder. Without auto-completion the model is started once, not twice.
            "--model-control-mode=explicit",
            f"--load-model={model}",
            "--disable-auto-complete-config",
            # The default address is 0.0.0.0.
            *(f"--{protocol}-address={HOST}" for protocol in ("http", "grpc", "metrics")),
            f"--http-port={ports.http}",
            f"--grpc-port={ports.grpc}",
            f"--metrics-port={ports.metrics}",
            "--http-thread-count=4",
            f"--http-restricted-api={closed}",
            f"--grpc-restricted-protocol={closed}",
            "--allow-gpu-metrics=false",
            "--allow-cpu-metrics=false",
            *metrics_options(),
            *(() if computes else ("--pinned-memory-pool-byte-size=0", "--cuda-memory-pool-byte-size=0:0")),
            f"--backend-config=python,shm-region-prefix-name={shared_memory_prefix(server_id)}",
            f"--exit-timeout-secs={exit_timeout_s:.0f}",
        ]


def shared_memory_prefix(server_id: str) -> str:
    """How the shared memory of a server's python processes is named; a killed server leaves it behind."""
    return f"seatrial-{server_id}-"


def remove_shared_memory(server_id: str) -> None:
    """Remove what a server left in shared memory. Call when its processes have ended; safe to repeat."""
    for region in Path("/dev/shm").glob(f"{shared_memory_prefix(server_id)}*"):  # noqa: S108 - Triton's, not a temporary file of ours
        region.unlink(missing_ok=True)


def _from_package(home: Path) -> TritonInstallation:
    package = importlib.util.find_spec("pytriton")
    if package is None or package.origin is None:
        raise ServerFailed(
            "no tritonserver: install the package nvidia-pytriton, or name a Triton installation in SEATRIAL_TRITON"
        )
    inside = Path(package.origin).parent / "tritonserver"
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    stub = inside / "python_backend_stubs" / python / "triton_python_backend_stub"
    for path in (inside / "bin" / "tritonserver", stub):
        if not path.exists():
            raise ServerFailed(f"the package nvidia-pytriton has no {path.relative_to(inside.parent)}")
    built = home / f"{importlib.metadata.version('nvidia-pytriton')}-python{python}"
    if not (built / "backends").exists():
        _build(built, inside / "backends" / "python", stub)
    libraries = inside.parent.parent / "nvidia_pytriton.libs"
    return TritonInstallation(
        inside / "bin" / "tritonserver", built / "backends", _environment(libraries, _own_libpython(built / "lib"))
    )


def _build(target: Path, backend: Path, stub: Path) -> None:
    """Put the python backend and the stub of our Python side by side, as Triton looks for them. Whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".building-", dir=target.parent) as name:
        temporary = Path(name) / "installation"
        shutil.copytree(backend, temporary / "backends" / "python")
        shutil.copy2(stub, temporary / "backends" / "python")
        try:
            temporary.replace(target)
        except OSError:  # another process was faster; what it built is the same
            if not (target / "backends").exists():
                raise


def find_libpython() -> Path | None:
    """The libpython of our own Python, or the one that was put into this virtual environment; None without one."""
    multiarch = sysconfig.get_config_var("MULTIARCH") or ""
    own = (sysconfig.get_config_var("LIBDIR") or "", f"{sys.base_prefix}/lib", f"/usr/lib/{multiarch}", "/usr/lib64")
    places = (Path(sys.prefix, "lib", LIBPYTHON), *(Path(place, LIBPYTHON) for place in own if place))
    return next((place for place in places if place.exists()), None)


def _own_libpython(folder: Path) -> Path:
    """A folder that holds the libpython of our own Python alone: the stub is linked to it, and the folder it comes
    from may hold other libraries that must not shadow those of the runtimes. Raises ServerFailed without one."""
    found = find_libpython()
    if found is None:
        raise ServerFailed(
            f"Triton's python backend needs {LIBPYTHON}, which this Python ({sys.base_prefix}) does not bring: "
            f"install it (Debian: apt-get install libpython{sys.version_info.major}.{sys.version_info.minor})"
        )
    link = folder / LIBPYTHON
    if not (link.is_symlink() and link.readlink() == found):
        folder.mkdir(parents=True, exist_ok=True)
        fresh = folder / f".{secrets.token_hex(4)}"
        fresh.symlink_to(found)
        fresh.replace(link)
    return folder


def _environment(*libraries: Path) -> dict[str, str]:
    """The stub embeds a Python of its own, so it must be told where the packages of ours are."""
    packages = dict.fromkeys((sysconfig.get_path("purelib"), sysconfig.get_path("platlib")))
    return {
        **{name: os.environ[name] for name in PASSED_ON if name in os.environ},
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"]),
        "LD_LIBRARY_PATH": os.pathsep.join(map(str, libraries)),
        "PYTHONPATH": os.pathsep.join(packages),
        "PYTHONNOUSERSITE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
