"""Parsing what strangers uploaded, in a child process with limits: a crash or a bomb there is a refusal here."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import seatrial
from seatrial.errors import SeatrialError, UploadRefused, from_problem
from seatrial.formats.facts import shown
from seatrial.formats.syscalls import confine

LARGEST_ANSWER = 64 * 2**20
LONGEST_SAID = 2000
KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TZ")


@dataclass(frozen=True)
class SandboxLimits:
    """What the child may take. Memory is address space: the runtimes reserve more than they use.

    A check gets `least_bytes`, four times the upload's first GiB and once the rest (weights beside a model file are
    mapped, not read), `least_cpu_s` and a second for each 50 MB of it, and `memory_bytes` and `cpu_s` at most: a small
    file that needs gigabytes or minutes to be read is a bomb.
    """

    memory_bytes: int = 12 * 2**30
    least_bytes: int = 900 * 2**20
    least_cpu_s: int = 8
    cpu_s: int = 60
    wall_s: float = 90.0
    file_bytes: int = 2**30
    open_files: int = 256


def run_limited(task: str, arguments: dict[str, Any], limits: SandboxLimits) -> dict[str, Any]:
    """Do `task` of `seatrial.formats.child` and return its answer.

    The child gets neither this process's environment (tokens) nor its working folder on its import path, no network,
    and a folder of its own for temporary files. Raises the error that the child reports; UploadRefused naming the file
    that was being read when the child died or passed a limit; SeatrialError when it failed before it read anything.
    The child and its folder are gone when this returns.
    """
    request = json.dumps({"task": task, "arguments": arguments, "limits": asdict(limits)})
    with (
        tempfile.TemporaryDirectory(prefix="seatrial-sandbox-", ignore_cleanup_errors=True) as home,
        tempfile.TemporaryFile() as answer,
        tempfile.TemporaryFile() as log,
    ):
        child = subprocess.Popen(
            [sys.executable, "-P", "-W", "ignore", "-m", "seatrial.formats.child"],
            stdin=subprocess.PIPE,
            stdout=answer,
            stderr=log,
            cwd=home,
            env=_environment(home),
            start_new_session=True,
        )
        try:
            child.communicate(request.encode(), timeout=limits.wall_s)
        except subprocess.TimeoutExpired:
            pass  # told from the lines below: no result, and killed by us
        finally:
            timed_out = child.poll() is None
            _kill_group(child)
        answer.seek(0)
        said = answer.read(LARGEST_ANSWER)
        return outcome(said, "time" if timed_out else child.returncode, _tail(log), limits)


def enter(limits: dict[str, Any], *, writes: bool) -> None:
    """Apply `limits` to this process, for good, and take network and other processes from it. The child's first act."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (limits["memory_bytes"],) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (limits["cpu_s"], limits["cpu_s"] + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits["file_bytes"],) * 2)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits["open_files"],) * 2)
    confine(writes=writes)


def narrow(upload_bytes: int, limits: SandboxLimits) -> None:
    """Lower this process's limits, for good, to what an upload of that size can need."""
    memory = min(limits.memory_bytes, limits.least_bytes + upload_bytes + 3 * min(upload_bytes, 2**30))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    cpu = min(limits.cpu_s, limits.least_cpu_s + upload_bytes // 50_000_000)
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 1))


def outcome(said: bytes, ended: int | str, log: str, limits: SandboxLimits) -> dict[str, Any]:
    """The answer in what a child has `said`, its lines of JSON; raises as `run_limited` does.

    A child that was taken over by its input may say anything: nothing of it is shown but as a short printable line.
    """
    lines = _lines(said)
    last = lines[-1] if lines else {}
    answer, problem = last.get("answer"), last.get("problem")
    if isinstance(answer, dict):
        return answer
    if isinstance(problem, dict):
        raise from_problem({shown(name): shown(value, LONGEST_SAID) for name, value in problem.items()})
    reading = next((line["reading"] for line in reversed(lines) if isinstance(line.get("reading"), str)), None)
    if reading is None:
        raise SeatrialError(f"the format check did not start ({ended}): {log}")
    reason = f"could not be parsed within the limits: {_why(ended, limits)}"
    raise UploadRefused(reason, file=shown(reading, LONGEST_SAID), limit=_all(limits))


def _why(ended: int | str, limits: SandboxLimits) -> str:
    if ended == "time":
        return f"it took longer than {limits.wall_s:g} s"
    if isinstance(ended, int) and ended < 0:
        return (
            "it took more CPU time than its size may need" if -ended == signal.SIGXCPU else f"signal {-ended} ended it"
        )
    return f"the parser ended with status {ended}"


def _all(limits: SandboxLimits) -> str:
    return f"at most {limits.memory_bytes // 2**20} MiB, {limits.cpu_s} s of CPU, {limits.wall_s:g} s"


def _environment(temporary: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    library = str(Path(seatrial.__file__).resolve().parents[1])
    # One thread each: threads take address space, and the machine's cores are being measured by others.
    return {
        **kept,
        "HOME": temporary,
        "TMPDIR": temporary,
        "PYTHONPATH": library,
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    """End the child and whatever it started; its session is its own, so nobody else is in the group."""
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _lines(said: bytes) -> list[dict[str, Any]]:
    found = []
    for line in said.splitlines():
        try:
            document = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(document, dict):
            found.append(document)
    return found


def _tail(log: IO[bytes]) -> str:
    size = log.seek(0, os.SEEK_END)
    log.seek(max(0, size - 2000))
    return shown(log.read().decode(errors="replace")[-400:], 400)
