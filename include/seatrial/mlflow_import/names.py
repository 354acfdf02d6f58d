"""MLflow's names and aliases put into Seatrial's words (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from seatrial.errors import Refused
from seatrial.uploads.names import VALID, model_name

STAGES: dict[str, str] = {
    "champion": "Production",
    "production": "Production",
    "prod": "Production",
    "challenger": "Staging",
    "candidate": "Staging",
    "staging": "Staging",
    "archived": "Archived",
}
"""Of aliases and of MLflow's former stages alike, in lower case; any other alias stays a tag."""

_RANK = {"Production": 3, "Staging": 2, "Archived": 1, "None": 0}


def model_names(names: Iterable[str], given: Mapping[str, str]) -> dict[str, str]:
    """Seatrial's name of each; `given` goes before the rule. Raises Refused when two would have one name."""
    found: dict[str, str] = {}
    taken: dict[str, str] = {}
    for name in sorted(set(names)):
        ours = given.get(name) or _model_name(name)
        if not re.fullmatch(VALID, ours):
            raise Refused(f"--name '{name}={ours}': a name here matches {VALID}", field="name", value=ours)
        if ours in taken:
            raise Refused(
                f"MLflow's models {taken[ours]!r} and {name!r} would both be {ours!r}: say --name '{name}=…'",
                field="name",
                value=ours,
            )
        found[name], taken[ours] = ours, name
    unknown = sorted(given.keys() - found.keys())
    if unknown:
        raise Refused(f"MLflow has no model {unknown[0]!r}; it has {', '.join(found) or 'none'}", field="name")
    return found


def _model_name(name: str) -> str:
    try:
        return model_name(name)
    except Refused as error:
        raise Refused(f"MLflow's model {error.message}: say --name '{name}=…'", field="name") from error


def stage_of(aliases: Iterable[str], former_stage: str, extra: Mapping[str, str]) -> str:
    """The highest stage that the aliases mean; without such an alias that of MLflow's former stages."""
    table = {**STAGES, **{alias.lower(): stage for alias, stage in extra.items()}}
    for alias, stage in extra.items():
        if stage not in _RANK:
            raise Refused(f"--alias {alias}={stage}: the stages are {', '.join(_RANK)}", field="alias", value=stage)
    meant = [table[alias.lower()] for alias in aliases if alias.lower() in table]
    if not meant:
        return table.get(former_stage.lower(), "None")
    return max(meant, key=_RANK.__getitem__)
