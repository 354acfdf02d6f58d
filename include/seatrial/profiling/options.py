"""Hardware options: which this machine offers, which a file lists, and why one cannot be had here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import yaml
from pydantic import ValidationError

from seatrial.errors import Refused
from seatrial.hardware import HardwareOption
from seatrial.nvml import Gpu, Gpus
from seatrial.profiling.matrix import MatrixEntry, expand
from seatrial.serving.placement import named_gpus, pick_gpu
from seatrial.words import counted

GB, MIB = 10**9, 2**20
RUNTIME_BYTES = GB // 2
"""What CUDA's context and the runtime's work space take of a GPU's memory beside the weights. Source: methods,
section 2."""


def machine_options(cores: int) -> tuple[HardwareOption, ...]:
    """1, 2, 4 … cores with as many threads, up to what the machine has; the price of an option is its cores."""
    sizes = [size for size in (1, 2, 4, 8, 16, 32, 64) if size <= max(1, cores)]
    return tuple(_cpu(n) for n in sizes)


def _cpu(n: int) -> HardwareOption:
    return HardwareOption.model_validate({"name": f"cpu-{n}x{n}", "cores": n, "threads": n, "price": float(n)})


def load_options(file: Path) -> tuple[HardwareOption, ...]:
    """The options that a YAML file lists: each entry is one option, or with `matrix` as many as its lists combine to.

    Raises Refused naming file, entry and field.
    """
    try:
        entries = list(yaml.safe_load(file.read_text()) or ())
    except (OSError, yaml.YAMLError, TypeError, UnicodeDecodeError) as error:
        raise Refused(f"{file}: is not a list of hardware options: {error}", field="options") from error
    options = [option for number, entry in enumerate(entries) for option in _entry(file, number, entry)]
    names = [option.name for option in options]
    doubled = next((name for name, count in Counter(names).items() if count > 1), None)
    if doubled is not None or not any(option.device == "cpu" for option in options):
        why = f"two options are called {doubled!r}" if doubled else "no option with device cpu, which checks run on"
        raise Refused(f"{file}: {why}", field="options")
    return tuple(options)


def _entry(file: Path, number: int, entry: object) -> tuple[HardwareOption, ...]:
    try:
        if isinstance(entry, dict) and "matrix" in entry:
            return expand(MatrixEntry.model_validate(entry))
        return (HardwareOption.model_validate(entry),)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, (number, *first["loc"])))
        raise Refused(f"{file}: entry {where}: {first['msg']}", field="options") from error
    except ValueError as error:
        raise Refused(f"{file}: entry {number}: {error}", field="options") from error


def why_impossible(option: HardwareOption, cores: int, gpus: Gpus, weights_bytes: int | None = None) -> str | None:
    """Why a machine with these cores and GPUs cannot offer an option; None when it can. `weights_bytes` of the model
    that is to run on it; None where they are not known, which rules nothing out."""
    if option.cores > cores:
        return f"needs {option.cores} cores, this machine has {cores}"
    if option.instances * option.threads > option.cores:
        return f"{option.instances} instances of {option.threads} threads do not fit {option.cores} cores"
    try:
        pick_gpu(option, gpus.found, gpus.reason, taken=())
    except Refused as error:
        return error.message
    named = named_gpus(option, gpus.found)
    return _no_room(option, named, weights_bytes) if named and weights_bytes is not None else None


def _no_room(option: HardwareOption, gpus: Sequence[Gpu], weights_bytes: int) -> str | None:
    """Each instance has weights of its own. A limit that the option sets counts before its share of the memory, which
    nothing holds a replica to, but the other shares need the rest."""
    memory, share = max(gpu.memory_mib for gpu in gpus) * MIB, option.mps_share or 1
    limit = None if option.gpu_memory_mib is None else option.gpu_memory_mib * MIB
    if weights_bytes * option.instances + RUNTIME_BYTES <= (share * memory if limit is None else limit):
        return None
    part = "" if limit is not None or share == 1 else f"{Fraction(share).limit_denominator(100)} of "
    instances = counted(option.instances, "instance")
    needed = f"{instances} of {weights_bytes / GB:.1f} GB of weights and {RUNTIME_BYTES / GB:g} GB"
    return f"{needed} do not fit {part}{(limit or memory) / GB:.1f} GB"
