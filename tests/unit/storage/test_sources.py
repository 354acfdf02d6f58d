from __future__ import annotations

import hashlib
from pathlib import Path
from typing import BinaryIO

import pytest

from seatrial.errors import NotFound
from tests.storages import files_of


def test_what_is_missing_where_a_file_is_written_to_is_no_fault_of_the_upload(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one")

    def write(file: BinaryIO) -> None:
        assert file.read() == b"one"
        raise NotFound("its folder is gone")

    with pytest.raises(NotFound, match="its folder is gone"):
        files_of(tmp_path).store("a", hashlib.sha256(b"one").hexdigest(), write)
