"""Hardware options: which this machine offers, which a file lists, and why one cannot be had here."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import yaml
from pydantic import ValidationError

from seatrial.errors import Refused
from seatrial.hardware import HardwareOption
from seatrial.nvml import Gpus
from seatrial.profiling.matrix import MatrixEntry, expand
from seatrial.serving.placement import pick_gpu


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


def why_impossible(option: HardwareOption, cores: int, gpus: Gpus) -> str | None:
    """Why a machine with these cores and GPUs cannot offer an option; None when it can."""
    if option.cores > cores:
        return f"needs {option.cores} cores, this machine has {cores}"
    if option.instances * option.threads > option.cores:
        return f"{option.instances} instances of {option.threads} threads do not fit {option.cores} cores"
    try:
        pick_gpu(option, gpus.found, gpus.reason, taken=())
    except Refused as error:
        return error.message
    return None
