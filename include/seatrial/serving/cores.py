"""Which CPU cores a replica gets. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from seatrial.errors import Refused


def pick_cores(count: int, machine: Sequence[int], taken: Iterable[Sequence[int]]) -> tuple[int, ...]:
    """`count` cores of `machine`, those with the fewest replicas first: disjoint from `taken` while cores are free.

    Where there are not enough free cores they are shared, evenly. Raises Refused when the machine has fewer cores.
    """
    if count > len(machine):
        raise Refused(f"needs {count} cores, this machine has {len(machine)}", cores=count, limit=len(machine))
    load = Counter(core for core_set in taken for core in core_set)
    return tuple(sorted(sorted(machine, key=lambda core: (load[core], core))[:count]))
