"""The upload roots as Airflow opens them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from seatrial.uploads.roots import UploadRoot, open_roots


def root_opener(url: str, token_file: Path | None) -> Callable[[], UploadRoot]:
    return lambda: open_roots((url,), token_file)[0]
