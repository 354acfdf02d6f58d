"""Names from elsewhere become names of models."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.errors import Refused
from seatrial.uploads.names import VALID, model_name, model_of


@given(st.text(max_size=100))
def test_every_name_becomes_a_valid_one_or_is_refused(name: str) -> None:
    try:
        found = model_name(name)
    except Refused:
        assert not any(letter in "abcdefghijklmnopqrstuvwxyz0123456789" for letter in name.lower())
    else:
        assert re.fullmatch(VALID, found)
        assert model_name(found) == found


@pytest.mark.parametrize(
    "upload", ["pitch", "Pitch", "pitch/1", "pitch/2026-11-24", "pitch-20261124-140501", "pitch-1f0c98a2b3d4"]
)
def test_all_uploads_of_a_model_name_the_same_model(upload: str) -> None:
    assert model_of(upload) == "pitch"
