from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from seatrial.errors import UploadRefused
from seatrial.uploads.declaration import read_declaration
from tests.models import write_upload


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": "caffe"}, ("model.yaml", "format", "caffe")),
        ({"name": "../etc"}, ("model.yaml", "name", "../etc")),
        ({"objective": {"latency_ms": -1}}, ("objective.latency_ms", "-1")),
        ({"objective": None}, ("objective",)),
        ({"latency": 5}, ("latency",)),
    ],
)
def test_a_wrong_manifest_is_refused_by_field_and_value(
    tmp_path: Path, change: dict[str, Any], said: tuple[str, ...]
) -> None:
    folder = write_upload(tmp_path / "u", model=False, **change)
    with pytest.raises(UploadRefused) as caught:
        read_declaration(folder)
    assert all(word in str(caught.value) for word in said), caught.value
    assert "\n" not in str(caught.value)


def test_yaml_aliases_and_missing_manifests_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UploadRefused, match=r"model\.yaml"):
        read_declaration(tmp_path)
    (tmp_path / "model.yaml").write_text("a: &a [x]\nb: [*a, *a]\n")
    with pytest.raises(UploadRefused, match=r"model\.yaml"):
        read_declaration(tmp_path)
