"""config.pbtxt: all that Triton is told of a model, with nothing left to guess (pure)."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from seatrial.errors import Refused
from seatrial.hardware import HardwareOption
from seatrial.served_model import ServedModel
from seatrial.serving.triton_backend import Way, choose_way
from seatrial.serving.warmup import WarmUp, warm_ups
from seatrial.tensors import DTYPES, Tensors, TensorSpec, dtype_name

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")


@dataclass(frozen=True)
class ModelConfig:
    """The text of config.pbtxt, and what else the model's folder must hold for it."""

    text: str
    way: Way
    warm_ups: tuple[WarmUp, ...]


def model_config(
    served: ServedModel, option: HardwareOption, installed: Collection[str], samples: Sequence[Tensors] = ()
) -> ModelConfig:
    """The configuration for one replica. Triton runs every one of `samples` on each instance before it is ready.

    Without batching the dimensions are the signature's own, batch dimension included, and max_batch_size is 0. With
    it the first dimension is Triton's, which joins requests up to `max_batch` rows. Raises Refused for a model that
    cannot be served: no way for its format, an unknown dtype, a scalar layer, no batch axis, a name for no folder.
    """
    _check_names(served)
    _check_batching(served, option)
    way = choose_way(served, option, installed)
    found = warm_ups(samples, option.max_batch)
    lines = [
        f"name: {_quoted(served.name)}",
        f"backend: {_quoted(way.backend)}",
        *([f"platform: {_quoted(way.platform)}"] if way.platform else ()),
        f"max_batch_size: {option.max_batch if _batching(option) else 0}",
        *(line for spec in served.signature.inputs for line in _layer("input", spec, option)),
        *(line for spec in served.signature.outputs for line in _layer("output", spec, option)),
        *_dynamic_batching(option),
        *_instances(way, option),
        f"version_policy {{ specific {{ versions: {served.version} }} }}",
        *([f"default_model_filename: {_quoted(served.main_file)}"] if way.native else ()),
        *(line for key, value in _parameters(way, served, option).items() for line in _parameter(key, value)),
        *(line for warm_up in found for line in _warm_up(warm_up)),
    ]
    return ModelConfig("\n".join(lines) + "\n", way, found)


def _check_names(served: ServedModel) -> None:
    if not _NAME.fullmatch(served.name):
        raise Refused(f"model name {served.name[:80]!r} cannot name a folder (limit: {_NAME.pattern})")
    for spec in _layers(served):
        if spec.dtype not in DTYPES:
            raise Refused(f"layer {spec.name[:80]!r}: no dtype {spec.dtype[:80]!r} (limit: {', '.join(DTYPES)})")
        if not spec.shape:
            raise Refused(f"layer {spec.name!r}: {spec} has no dimension; Triton's tensors have at least one")


def _check_batching(served: ServedModel, option: HardwareOption) -> None:
    """Triton batches along a first dimension that every layer has, beside at least one other."""
    for spec in _layers(served):
        if _batching(option) and not (len(spec.shape) > 1 and spec.shape[0] == -1):
            raise Refused(
                f"{served.name} {served.version}: {option.name} joins requests to batches of {option.max_batch}, "
                f"but layer {spec.name!r} has no batch axis: {spec} (limit: a free first dimension of two or more)",
                option=option.name,
                field=spec.name,
            )


def _batching(option: HardwareOption) -> bool:
    return option.max_batch > 1


def _layers(served: ServedModel) -> tuple[TensorSpec, ...]:
    return (*served.signature.inputs, *served.signature.outputs)


def _layer(side: str, spec: TensorSpec, option: HardwareOption) -> list[str]:
    dims = spec.shape[1:] if _batching(option) else spec.shape
    return [
        f"{side} {{",
        f"  name: {_quoted(spec.name)}",
        f"  data_type: {_type(spec.dtype)}",
        f"  dims: {list(dims)}",
        "}",
    ]


def _dynamic_batching(option: HardwareOption) -> Iterator[str]:
    if _batching(option):
        yield f"dynamic_batching {{ max_queue_delay_microseconds: {option.max_queue_delay_us} }}"


def _instances(way: Way, option: HardwareOption) -> Iterator[str]:
    """A replica sees one GPU, its own, whatever number that has on the machine. The python runtime opens it itself."""
    if not (way.native and option.device == "gpu"):
        yield f"instance_group [ {{ kind: KIND_CPU count: {option.instances} }} ]"
        return
    yield f"instance_group [ {{ kind: KIND_GPU gpus: [0] count: {option.instances} }} ]"
    for key, value in way.cuda:
        cuda = f'name: "cuda" parameters {{ key: {_quoted(key)} value: {_quoted(value)} }}'
        yield f"optimization {{ execution_accelerators {{ gpu_execution_accelerator [ {{ {cuda} }} ] }} }}"


def _parameters(way: Way, served: ServedModel, option: HardwareOption) -> Mapping[str, str]:
    if way.native:
        bf16 = way.bf16 if option.precision == "bf16" else ()
        return {**{key: str(option.threads) for key in way.threads}, **dict(way.fixed), **dict(bf16)}
    told = {
        "runtime": way.runtime,
        "main_file": served.main_file,
        "layers": served.layers,
        "scalars": served.scalars,
        "device": option.device,
        "threads": option.threads,
        "precision": option.precision,
    }
    return {"seatrial": json.dumps(told, sort_keys=True)}


def _parameter(key: str, value: str) -> list[str]:
    return ["parameters {", f"  key: {_quoted(key)}", f"  value {{ string_value: {_quoted(value)} }}", "}"]


def _warm_up(warm_up: WarmUp) -> list[str]:
    inputs = [
        f"  inputs {{ key: {_quoted(name)} value {{ data_type: {_type(dtype_name(array))} "
        f"dims: {list(array.shape)} input_data_file: {_quoted(warm_up.file(index))} }} }}"
        for index, (name, array) in enumerate(warm_up.tensors.items())
    ]
    head = [f"  name: {_quoted(warm_up.name)}", f"  batch_size: {warm_up.requests}", "  count: 1"]
    return ["model_warmup {", *head, *inputs, "}"]


def _type(dtype: str) -> str:
    return "TYPE_STRING" if dtype == "BYTES" else f"TYPE_{dtype}"


def _quoted(text: str) -> str:
    """A string literal of protobuf's text format: every byte that is not plain ASCII as an octal escape."""
    plain = (chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\{byte:03o}" for byte in text.encode())
    return f'"{"".join(plain)}"'
