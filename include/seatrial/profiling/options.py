"""Hardware options: which this machine offers, which a file lists, and why one cannot be had here."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import TypeAdapter, ValidationError

from seatrial.errors import Refused
from seatrial.hardware import HardwareOption
from seatrial.nvml import Gpus
from seatrial.serving.placement import pick_gpu

_LIST = TypeAdapter(tuple[HardwareOption, ...])


def machine_options(cores: int) -> tuple[HardwareOption, ...]:
    """1, 2, 4 … cores with as many threads, up to what the machine has; the price of an option is its cores."""
    sizes = [size for size in (1, 2, 4, 8, 16, 32, 64) if size <= max(1, cores)]
    return tuple(_cpu(n) for n in sizes)


def _cpu(n: int) -> HardwareOption:
    return HardwareOption.model_validate({"name": f"cpu-{n}x{n}", "cores": n, "threads": n, "price": float(n)})


def load_options(file: Path) -> tuple[HardwareOption, ...]:
    """The options that a YAML file lists. Raises Refused naming file, entry and field."""
    try:
        options = _LIST.validate_python(tuple(yaml.safe_load(file.read_text()) or ()))
    except (OSError, yaml.YAMLError, TypeError) as error:
        raise Refused(f"{file}: is not a list of hardware options: {error}", field="options") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise Refused(f"{file}: entry {'.'.join(map(str, first['loc']))}: {first['msg']}", field="options") from error
    names = [option.name for option in options]
    doubled = next((name for name in names if names.count(name) > 1), None)
    if doubled is not None or not any(option.device == "cpu" for option in options):
        why = f"two options are called {doubled!r}" if doubled else "no option with device cpu, which checks run on"
        raise Refused(f"{file}: {why}", field="options")
    return options


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
