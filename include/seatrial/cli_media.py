"""Images and sounds as tensors: the first layout that fits a layer's shape; `seatrial infer --help` has the rules."""

from __future__ import annotations

import io
import wave
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from seatrial.errors import Refused
from seatrial.tensors import DTYPES, Array, TensorSpec

FLOATS = ("FP16", "FP32", "FP64")


@dataclass(frozen=True)
class Media:
    """`text` says what the file holds; `layouts` are its values in every layout, best first, in units of the file."""

    text: str
    layouts: tuple[Array, ...]
    scaled: Callable[[Array, str], Array | None]

    def __str__(self) -> str:
        return self.text

    def fitted(self, spec: TensorSpec) -> Array | None:
        """The tensor for a layer; None where no layout has its shape, or its dtype cannot hold the values."""
        fits = (array for array in self.layouts if spec.accepts_shape(array.shape))
        found = next(fits, None)
        return None if found is None else self.scaled(found, spec.dtype)


def read_png(data: bytes) -> Media:
    """Raises Refused for what is no PNG of 8 bits a channel, and where Pillow is missing."""
    try:
        from PIL import Image
    except ModuleNotFoundError as error:
        raise Refused("images need Pillow: pip install 'seatrial[images]'") from error
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            image.load()
            if image.mode.startswith(("I", "F")):
                raise Refused(f"has more than 8 bits a channel (mode {image.mode})")
            grey = image.mode in ("1", "L", "LA")
            modes = ("L", "RGB", "RGBA") if grey else ("RGB", "RGBA", "L")
            layouts = [layout for mode in modes for layout in _planes(np.asarray(image.convert(mode)))]
            text = f"a {'grey' if grey else 'colour'} image of {image.height} × {image.width} pixels"
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise Refused(f"is no readable PNG image: {error}") from error
    return Media(text, tuple(layouts), _scaled_pixels)


def read_wav(data: bytes) -> Media:
    """Raises Refused for what is no WAV file of PCM samples of 8 to 32 bits."""
    try:
        with wave.open(io.BytesIO(data)) as sound:
            width, channels = sound.getsampwidth(), sound.getnchannels()
            raw = sound.readframes(sound.getnframes())
    except (wave.Error, EOFError) as error:
        raise Refused(f"is no readable WAV file of PCM samples: {error}") from error
    samples = _samples(raw[: len(raw) // (width * channels) * width * channels], width).reshape(-1, channels)
    text = f"a sound of {len(samples)} samples × {channels} channel(s) of {8 * width} bits"
    return Media(text, tuple(_tracks(samples)), lambda array, dtype: _scaled_samples(array, dtype, width))


def _planes(pixels: Array) -> Sequence[Array]:
    """[H,W] and [H,W,C] as every layout that a layer may have."""
    last = pixels if pixels.ndim == 3 else pixels[:, :, np.newaxis]
    layouts = [last, last.transpose(2, 0, 1)]
    flat = [] if pixels.ndim == 3 else [pixels]
    return [*layouts, *flat, *(layout[np.newaxis] for layout in layouts)]


def _tracks(samples: Array) -> Sequence[Array]:
    layouts = [samples, samples.T]
    mono = [samples[:, 0], samples.T] if samples.shape[1] == 1 else []
    return [*mono, *layouts, *(layout[np.newaxis] for layout in layouts)]


def _scaled_pixels(pixels: Array, dtype: str) -> Array | None:
    if dtype in FLOATS:
        return (pixels / 255).astype(DTYPES[dtype])
    return None if dtype in ("BOOL", "BYTES", "INT8") else pixels.astype(DTYPES[dtype])


def _samples(raw: bytes, width: int) -> Array:
    """PCM samples as signed integers of 32 bits, in units of the file."""
    if width == 1:
        return np.frombuffer(raw, np.uint8).astype(np.int32) - 128
    padded = np.zeros((len(raw) // width, 4), np.uint8)
    padded[:, 4 - width :] = np.frombuffer(raw, np.uint8).reshape(-1, width)
    shifted: Array = padded.view("<i4")[:, 0] >> (32 - 8 * width)
    return shifted


def _scaled_samples(samples: Array, dtype: str, width: int) -> Array | None:
    if dtype in FLOATS:
        scaled: Array = (samples / 2 ** (8 * width - 1)).astype(DTYPES[dtype])
        return scaled
    return samples.astype(DTYPES[dtype]) if dtype == f"INT{8 * width}" else None
