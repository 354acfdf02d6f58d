"""Which files of the artifact store the manager needs: those of its versions, their evidence, its servers."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from seatrial.registry.entities import Evidence, ModelVersion
from seatrial.registry.mlmd_restore import everything

if TYPE_CHECKING:
    from seatrial.manager.composition import InferenceManager

_DIGEST = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")


def needed_digests(manager: InferenceManager) -> frozenset[str]:
    """Digests of trees and files. A deleted version needs nothing, and its evidence names files that it had."""
    needed: set[str] = set()
    live: set[int] = set()
    for entry in everything(manager.registry):
        if isinstance(entry, ModelVersion) and entry.deleted is None:
            live.add(entry.model_id)
            needed.update((entry.tree_digest, *entry.served.files.values()))
        elif isinstance(entry, Evidence) and entry.model_id in live:
            needed.update(_DIGEST.findall(json.dumps(entry.document)))
    for deployment in manager.deployments.all():
        needed.update(deployment.spec.served.files.values())
    for record in manager.backend.records().values():
        needed.update(record.served.files.values())
    return frozenset(needed)
