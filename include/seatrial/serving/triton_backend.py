"""Which of Triton's backends serves a model on a hardware option: one table, and the rules that read it (pure).

Only the python backend is run in this project's tests; what a configuration says to the others is held against golden
files and Triton's own schema. Their parameters are those of the backends' documentation and sources (2025).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from seatrial.errors import Refused
from seatrial.hardware import HardwareOption
from seatrial.served_model import Format, ServedModel

PYTHON = "python"


@dataclass(frozen=True)
class Way:
    """One way to serve a format. `runtime` is what the python backend runs inside; a native backend is its own.

    `batches`: takes batches of any size up to the largest. `threads` names the parameters that take the option's
    threads, `fixed` those that always have one value, `bf16` those that allow bf16, `cuda` those of the CUDA provider.
    `platform` is Triton's older word, which one backend still wants.
    """

    backend: str
    format: Format
    devices: tuple[str, ...]
    precisions: tuple[str, ...]
    runtime: str = ""
    batches: bool = True
    threads: tuple[str, ...] = ()
    fixed: tuple[tuple[str, str], ...] = ()
    bf16: tuple[tuple[str, str], ...] = ()
    cuda: tuple[tuple[str, str], ...] = ()
    platform: str = ""

    def __str__(self) -> str:
        return f"{self.backend} backend" + (f" with {self.runtime}" if self.runtime else "")

    @property
    def native(self) -> bool:
        """Whether the backend opens the file itself; then all it knows are the file's own layer names."""
        return self.backend != PYTHON


WAYS = (
    Way(
        "onnxruntime",
        "onnx",
        ("cpu", "gpu"),
        ("fp32",),
        threads=("intra_op_thread_count",),
        fixed=(("inter_op_thread_count", "1"), ("execution_mode", "0")),
        cuda=(("use_tf32", "0"),),  # TF32 is not the FP32 that the option says
    ),
    Way(
        "tensorflow",
        "savedmodel",
        ("cpu",),  # on a GPU it computes FP32 in TF32, and no parameter says otherwise
        ("fp32",),
        threads=("TF_NUM_INTRA_THREADS",),
        fixed=(("TF_NUM_INTER_THREADS", "1"),),
        platform="tensorflow_savedmodel",
    ),
    Way(
        "openvino",
        "savedmodel",
        ("cpu",),
        ("bf16",),  # it takes bf16 wherever the CPU has it: HINT_BF16 knows YES only
        batches=False,  # a batch that is not full is an error, or padded until it is
        threads=("INFERENCE_NUM_THREADS",),
        fixed=(("NUM_STREAMS", "1"),),
        bf16=(("HINT_BF16", "YES"),),
    ),
    Way("tensorrt", "tensorrt", ("gpu",), ("fp32", "bf16")),
    Way(PYTHON, "onnx", ("cpu", "gpu"), ("fp32",), runtime="onnxruntime"),
    Way(PYTHON, "savedmodel", ("cpu",), ("fp32", "bf16"), runtime="openvino"),
)
"""In order of preference: native first, for it costs no copy into another process and shares one between instances."""


def choose_way(served: ServedModel, option: HardwareOption, installed: Collection[str]) -> Way:
    """The first way that nothing speaks against. `installed` names the backends that the Triton installation has.

    Raises Refused with what speaks against each way of the model's format.
    """
    against = {way: objection(way, served, option, installed) for way in WAYS if way.format == served.format}
    for way, reason in against.items():
        if reason is None:
            return way
    reasons = "; ".join(f"{way} {reason}" for way, reason in against.items())
    raise Refused(
        f"{served.name} {served.version}: nothing serves {served.format} on {option.name}: {reasons}",
        format=served.format,
        option=option.name,
    )


def objection(way: Way, served: ServedModel, option: HardwareOption, installed: Collection[str]) -> str | None:
    """Why a way of the model's format cannot be taken; None when it can."""
    return next((reason for rule in _RULES if (reason := rule(way, served, option, installed))), None)


def _installed(way: Way, _served: ServedModel, _option: HardwareOption, installed: Collection[str]) -> str | None:
    return None if way.backend in installed else "is not part of this Triton installation"


def _device(way: Way, _served: ServedModel, option: HardwareOption, _installed: Collection[str]) -> str | None:
    return None if option.device in way.devices else f"does not run it on a {option.device}"


def _precision(way: Way, _served: ServedModel, option: HardwareOption, _installed: Collection[str]) -> str | None:
    return None if option.precision in way.precisions else f"cannot be held to {option.precision}"


def _batches(way: Way, _served: ServedModel, option: HardwareOption, _installed: Collection[str]) -> str | None:
    return None if way.batches or option.max_batch == 1 else "takes full batches only"


def _names(way: Way, served: ServedModel, _option: HardwareOption, _installed: Collection[str]) -> str | None:
    """docs/adr/0003: services say other names than the file does, and somebody has to translate."""
    other = next((pair for pair in served.layers.items() if pair[0] != pair[1]), None)
    return f"knows {other[1]!r} only, not {other[0]!r}" if way.native and other else None


def _scalars(way: Way, served: ServedModel, _option: HardwareOption, _installed: Collection[str]) -> str | None:
    """Triton refuses a configuration with `reshape: {shape: []}` for a model without batches (model_config_utils)."""
    return f"takes no scalar, as {served.scalars[0]!r} is" if way.native and served.scalars else None


_Rule = Callable[[Way, ServedModel, HardwareOption, Collection[str]], str | None]
_RULES: tuple[_Rule, ...] = (_installed, _device, _precision, _batches, _names, _scalars)
