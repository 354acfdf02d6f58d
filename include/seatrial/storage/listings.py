"""Listings of a folder's files, path → SHA-256 digest: their digest, and which are accepted (pure)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from seatrial.errors import Refused
from seatrial.storage.paths import path_flaw

DIGEST = re.compile(r"[0-9a-f]{64}")


def tree_digest(files: Mapping[str, str]) -> str:
    """One SHA-256 digest for a whole folder: that of its listing `<digest>  <path>\\n`, ordered by path.

    The same as `sha256sum` of the output of `sha256sum` over the files, named relative to the folder in byte order.
    """
    listing = "".join(f"{files[path]}  {path}\n" for path in sorted(files))
    return hashlib.sha256(listing.encode()).hexdigest()


def check_listing(files: Mapping[str, str]) -> None:
    """Raise Refused unless every path stays below its folder, no file is a folder too, and all digests are digests."""
    for path, sha256 in files.items():
        flaw = path_flaw(path)
        if flaw:
            raise Refused(f"file listing: {path[:80]!r} {flaw}")
        if not DIGEST.fullmatch(sha256):
            raise Refused(f"file listing: {path!r}: {sha256[:80]!r} is not a SHA-256 digest (limit: 64 hex digits)")
        for parent in PurePosixPath(path).parents:
            if str(parent) in files:
                raise Refused(f"file listing: {str(parent)!r} is named as a file and as the folder of {path!r}")
