"""Which hardware options can load a TensorRT plan (pure): by the version and the GPU that it was built with.

A plan is bound to both, unless it was built as hardware or version compatible, which its header does not say: then only
loading it tells. What is not known of an option or a plan rules nothing out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from seatrial.hardware import HardwareOption
from seatrial.uploads.manifest import Engine

# GPU model as it is named in options → compute capability (developer.nvidia.com/cuda-gpus)
CAPABILITIES = {
    **dict.fromkeys(("V100",), "7.0"),
    **dict.fromkeys(("T4", "RTX 2080", "RTX 2080 Ti", "GTX 1650"), "7.5"),
    **dict.fromkeys(("A100", "A30"), "8.0"),
    **dict.fromkeys(("A2", "A10", "A10G", "A16", "A40", "A4000", "A6000", "RTX 3060", "RTX 3080", "RTX 3090"), "8.6"),
    **dict.fromkeys(("Orin", "Jetson Orin"), "8.7"),
    **dict.fromkeys(("L4", "L40", "L40S", "RTX 4070", "RTX 4080", "RTX 4090"), "8.9"),
    **dict.fromkeys(("H100", "H200", "GH200"), "9.0"),
    **dict.fromkeys(("B200", "GB200"), "10.0"),
    **dict.fromkeys(("RTX 5070 Ti", "RTX 5080", "RTX 5090"), "12.0"),
}
MAKERS = ("nvidia", "geforce", "tesla", "quadro")
OLDEST_COMPATIBLE = (8, 0)  # hardware compatibility is for Ampere and later


@dataclass(frozen=True)
class Fit:
    """`loads` is None where it is not known: nothing speaks against it, and only loading tells. `why` is one phrase."""

    option: str
    loads: bool | None
    why: str


def fits(version: str, built_on: str | None, options: Iterable[HardwareOption], engine: Engine) -> tuple[Fit, ...]:
    """For each of `options`, whether it can load a plan of TensorRT `version`, built on that compute capability."""
    return tuple(_fit(version, built_on, option, engine) for option in options)


def capability(option: HardwareOption) -> str | None:
    """An option's compute capability: as it says itself, or that of its GPU model where this is a known one."""
    if option.compute_capability or option.gpu is None:
        return option.compute_capability
    words = [word for word in option.gpu.lower().split() if word not in MAKERS]
    return next((number for name, number in CAPABILITIES.items() if name.lower().split() == words), None)


def in_words(version: str, built_on: str | None, found: Sequence[Fit]) -> str:
    """`loads on A and B; may load on D: …; not on C: built on 8.6 with TensorRT 10.3.0.26, C is 7.5 with 10.9`."""
    loads = " and ".join(fit.option for fit in found if fit.loads)
    unclear = [f"may load on {fit.option}: {fit.why}" for fit in found if fit.loads is None]
    built = f"built on {built_on or 'an unknown GPU'} with TensorRT {version}"
    never = [f"not on {fit.option}: {built}, {fit.why}" for fit in found if fit.loads is False]
    return "; ".join(part for part in (f"loads on {loads}" if loads else "", *unclear, *never) if part)


def _fit(version: str, built_on: str | None, option: HardwareOption, engine: Engine) -> Fit:
    if option.device != "gpu":
        return Fit(option.name, False, f"{option.name} has no GPU")
    here = capability(option)
    said = f"{option.name} is {here or 'of unknown compute capability'} with {option.tensorrt or 'an unknown version'}"
    parts = (_same_gpu(built_on, here, engine), _same_version(version, option.tensorrt, engine))
    loads = False if False in parts else None if None in parts else True
    return Fit(option.name, loads, said)


def _same_gpu(built_on: str | None, here: str | None, engine: Engine) -> bool | None:
    if built_on is None or here is None:
        return None
    if built_on == here:
        return True
    newer_than_ampere = min(_numbers(built_on), _numbers(here)) >= OLDEST_COMPATIBLE
    return None if engine.hardware_compatible and newer_than_ampere else False


def _same_version(version: str, here: str | None, engine: Engine) -> bool | None:
    """`here` may have fewer parts than the plan's four: only those that are there are compared."""
    if here is None:
        return None
    wanted, found = _numbers(version), _numbers(here)
    if wanted[: len(found)] == found:
        return True
    later = found[0] == wanted[0] and found > wanted[: len(found)]
    return None if engine.version_compatible and later else False


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))
