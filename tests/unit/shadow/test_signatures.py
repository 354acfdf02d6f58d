"""Which changes of a signature break services that call the old one."""

from __future__ import annotations

import pytest

from seatrial.shadow.signatures import breaking_changes
from seatrial.tensors import Signature, TensorSpec

AUDIO, NOTE = TensorSpec("audio", "FP32", (-1, 43844, 1)), TensorSpec("note", "FP32", (-1, 172, 88))
BEFORE = Signature((AUDIO,), (NOTE,))


@pytest.mark.parametrize(
    ("now", "changes"),
    [
        (BEFORE, ()),
        (Signature((AUDIO,), (NOTE, TensorSpec("onset", "FP32", (-1, 88)))), ()),
        (Signature((TensorSpec("audio", "FP32", (-1, -1, 1)),), (NOTE,)), ()),
        (Signature((), ()), ()),
        (
            Signature((TensorSpec("audio", "FP16", (-1, 43844, 1)),), (NOTE,)),
            ("input audio was FP32[-1,43844,1] and is FP16[-1,43844,1]",),
        ),
        (
            Signature((TensorSpec("sound", "FP32", (-1, 43844, 1)),), (NOTE,)),
            ("input audio is gone", "input sound FP32[-1,43844,1] is needed"),
        ),
        (Signature((AUDIO,), (TensorSpec("pitch", "FP32", (-1, 172, 88)),)), ("output note is gone",)),
        (
            Signature((AUDIO,), (TensorSpec("note", "FP32", (-1, 172, 89)),)),
            ("output note was FP32[-1,172,88] and is FP32[-1,172,89]",),
        ),
    ],
    ids=["same", "more outputs", "freer", "hidden", "dtype", "renamed input", "renamed output", "shape"],
)
def test_what_services_would_notice_is_named(now: Signature, changes: tuple[str, ...]) -> None:
    assert breaking_changes(BEFORE, now) == changes
