"""The name of a model out of a name from elsewhere (pure)."""

from __future__ import annotations

import re

from seatrial.errors import Refused

LONGEST = 63
VALID = rf"[a-z][a-z0-9_-]{{0,{LONGEST - 1}}}"
MARK = re.compile(r"-(\d{8}-\d{6}|[0-9a-f]{12})$")


def model_name(name: str) -> str:
    """Lower case, `-` for every run of other characters, `m-` before what starts with no letter, 63 characters.

    >>> model_name("Pitch Model (v2)"), model_name("2nd_try")
    ('pitch-model-v2', 'm-2nd_try')

    Raises Refused when no letter or digit is left.
    """
    found = plain(name)
    if not found:
        raise Refused(f"{name[:200]!r} has no letter a to z or digit for the name of a model", field="name")
    return (found if found[0].isalpha() else f"m-{found}")[:LONGEST].rstrip("-_")


def plain(name: str) -> str:
    """In the letters of a model's name; empty when none is left."""
    return re.sub(r"[^a-z0-9_]+", "-", name.lower()).strip("-_")


def model_of(upload: str) -> str:
    """The model that an upload is of, by where it is below its root: `<model>`, `<model>/<version>`, or as
    `seatrial upload` names it, `<model>-<digits of its digest>`, or with the date and time in their place.

    >>> model_of("Pitch"), model_of("pitch/0003"), model_of("pitch-1f0c98a2b3d4")
    ('pitch', 'pitch', 'pitch')
    """
    return model_name(MARK.sub("", upload.split("/")[0]))
