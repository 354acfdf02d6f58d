"""What an earlier backend left in a folder of servers: which of them go on, and the end of all else."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from seatrial.serving.cgroups import leftover, remove_cgroup
from seatrial.serving.processes import end, is_alive, of_replicas
from seatrial.serving.record import ServerRecord, read_record
from seatrial.serving.tritonserver import remove_shared_memory


def records_that_go_on(folder: Path) -> list[ServerRecord]:
    """Of the servers that are worth adopting: each runs, and its lease, if it has one, has not passed."""
    folders = sorted(path for path in folder.iterdir() if path.is_dir())
    return [record for record in map(read_record, folders) if record is not None and _goes_on(record)]


def remove_strays(folder: Path, keep: set[str]) -> None:
    """End and remove every server below `folder` but those in `keep`, also processes whose own folder is gone."""
    cgroups = leftover(folder)
    found = {replica for _, replica in (*of_replicas(folder), *cgroups)} | {p for p in folder.iterdir() if p.is_dir()}
    for path in sorted(path for path in found if path.name not in keep):
        record = read_record(path)
        own = record.confinement.cgroups if record is not None else ()
        of_it = {*own, *(cgroup for cgroup, replica in cgroups if replica == path)}
        end(record.process if record is not None else None, path, 0, of_it)
        for cgroup in of_it:
            remove_cgroup(cgroup)
        remove_shared_memory(path.name)
        shutil.rmtree(path, ignore_errors=True)


def _goes_on(record: ServerRecord) -> bool:
    running = record.error is None and record.process is not None and is_alive(record.process)
    return running and (record.lease_until is None or record.lease_until > time.monotonic())
