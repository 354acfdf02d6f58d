"""Images and sounds as tensors: the layouts, the units, and what is refused."""

from __future__ import annotations

import io
import struct
import wave
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from seatrial.cli_media import read_png, read_wav
from seatrial.errors import Refused
from seatrial.tensors import TensorSpec

Image = pytest.importorskip("PIL.Image", reason="the extra `images` is the manager environment's")

COLOUR = np.arange(24, dtype=np.uint8).reshape(2, 4, 3) * 10
GREY = np.arange(8, dtype=np.uint8).reshape(2, 4) * 30
GREY_OF_COLOUR = np.asarray(Image.fromarray(COLOUR).convert("L"))


def png(pixels: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def wav(samples: Any, width: int = 2) -> bytes:
    """`samples` [n, channels] as integers in units of `width` bytes."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sound:
        sound.setparams((samples.shape[1], width, 16000, 0, "NONE", ""))
        low = samples + 128 if width == 1 else samples
        sound.writeframes(b"".join(int(v).to_bytes(4, "little", signed=True)[:width] for v in low.ravel()))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("pixels", "shape", "expected"),
    [
        (COLOUR, (2, 4, 3), COLOUR),
        (COLOUR, (-1, -1, 3), COLOUR),
        (COLOUR, (3, 2, 4), COLOUR.transpose(2, 0, 1)),
        (COLOUR, (-1, 3, -1, -1), COLOUR.transpose(2, 0, 1)[None]),
        (COLOUR, (-1, -1, -1, -1), COLOUR[None]),
        (COLOUR, (-1, 2, 4, 3), COLOUR[None]),
        (COLOUR, (2, 4), GREY_OF_COLOUR),
        (COLOUR, (1, 2, 4, 1), GREY_OF_COLOUR[None, :, :, None]),
        (COLOUR, (2, 4, 4), np.concatenate([COLOUR, np.full((2, 4, 1), 255, np.uint8)], 2)),
        (GREY, (2, 4), GREY),
        (GREY, (-1, 2, 4), GREY[None]),
        (GREY, (-1, -1, -1), GREY[:, :, None]),
        (GREY, (2, 4, 3), np.stack([GREY] * 3, 2)),
    ],
    ids=str,
)
def test_an_image_takes_the_first_layout_that_fits(pixels: Any, shape: tuple[int, ...], expected: Any) -> None:
    found = read_png(png(pixels)).fitted(TensorSpec("image", "UINT8", shape))
    assert found is not None
    assert np.array_equal(found, expected)


def test_pixels_are_0_to_255_in_integers_and_0_to_1_in_floats() -> None:
    image = read_png(png(np.array([[0, 51, 255]], np.uint8)))
    for dtype, expected in (("UINT8", [0, 51, 255]), ("INT64", [0, 51, 255]), ("FP32", [0.0, np.float32(0.2), 1.0])):
        found = image.fitted(TensorSpec("image", dtype, (1, 3)))
        assert found is not None
        assert found.tolist() == [expected]
    assert [image.fitted(TensorSpec("image", dtype, (1, 3))) for dtype in ("INT8", "BOOL", "BYTES")] == [None] * 3


def test_an_image_is_not_resized_and_says_what_it_is() -> None:
    image = read_png(png(COLOUR))
    assert image.fitted(TensorSpec("image", "UINT8", (3, 4, 3))) is None
    assert str(image) == "a colour image of 2 × 4 pixels"


def test_more_than_8_bits_a_channel_are_refused() -> None:
    with pytest.raises(Refused, match="more than 8 bits"):
        read_png(png(np.zeros((2, 2), np.uint16)))


@given(arrays.arrays(np.uint8, st.sampled_from([(2, 3), (2, 3, 3), (2, 3, 4)])))
def test_every_pixel_arrives(pixels: Any) -> None:
    found = read_png(png(pixels)).fitted(TensorSpec("image", "UINT8", pixels.shape))
    assert found is not None
    assert np.array_equal(found, pixels)


MONO = np.array([[-32768], [-1], [0], [16384], [32767]])
STEREO = np.arange(-4, 6).reshape(5, 2)


@pytest.mark.parametrize(
    ("samples", "shape", "expected"),
    [
        (MONO, (-1,), MONO[:, 0]),
        (MONO, (-1, -1), MONO.T),
        (MONO, (-1, 1), MONO),
        (MONO, (-1, 5, 1), MONO[None]),
        (MONO, (1, 1, -1), MONO.T[None]),
        (STEREO, (-1, 2), STEREO),
        (STEREO, (2, -1), STEREO.T),
        (STEREO, (-1, -1, 2), STEREO[None]),
        (STEREO, (-1, 2, -1), STEREO.T[None]),
    ],
    ids=str,
)
def test_a_sound_takes_the_first_layout_that_fits(samples: Any, shape: tuple[int, ...], expected: Any) -> None:
    found = read_wav(wav(samples)).fitted(TensorSpec("audio", "INT16", shape))
    assert found is not None
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("shape", [(-1,), (-1, 3), (-1, 4, 2)])
def test_a_sound_is_neither_mixed_down_nor_cut(shape: tuple[int, ...]) -> None:
    sound = read_wav(wav(STEREO))
    assert sound.fitted(TensorSpec("audio", "FP32", shape)) is None
    assert str(sound) == "a sound of 5 samples × 2 channel(s) of 16 bits"


@given(st.sampled_from([1, 2, 3, 4]), st.data())
def test_samples_of_every_width_are_minus_1_to_1_in_floats(width: int, data: st.DataObject) -> None:
    top = 2 ** (8 * width - 1)
    samples = data.draw(arrays.arrays(np.int64, (4, 1), elements=st.integers(-top, top - 1)))
    found = read_wav(wav(samples, width)).fitted(TensorSpec("audio", "FP64", (4, 1)))
    assert found is not None
    assert (found * top).tolist() == samples.tolist()


@pytest.mark.parametrize(("width", "dtype"), [(1, "INT16"), (2, "INT32"), (3, "INT32"), (2, "UINT16"), (2, "BYTES")])
def test_samples_of_another_width_than_an_integer_layer_fit_it_not(width: int, dtype: str) -> None:
    assert read_wav(wav(np.zeros((4, 1), int), width)).fitted(TensorSpec("audio", dtype, (-1,))) is None


@given(st.binary())
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for reader, start in ((read_png, b"\x89PNG\r\n\x1a\n"), (read_wav, b"RIFF\x24\0\0\0WAVEfmt ")):
        for sent in (data, start + data):
            with pytest.raises(Refused):
                reader(sent)


def test_a_wav_of_floats_is_refused() -> None:
    head = b"RIFF" + struct.pack("<I", 40) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 3, 1, 16000, 64000, 4, 32)
    with pytest.raises(Refused, match="is no readable WAV file of PCM samples"):
        read_wav(head + b"data" + struct.pack("<I", 4) + b"\0" * 4)


def test_a_wav_that_is_cut_off_has_the_whole_samples_that_are_there() -> None:
    found = read_wav(wav(STEREO)[:-3]).fitted(TensorSpec("audio", "INT16", (-1, 2)))
    assert found is not None
    assert np.array_equal(found, STEREO[:4])
