"""One loaded network in ONNX Runtime or OpenVINO, with every setting that a measurement rests on read back."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from .arrays import Array


@dataclass(frozen=True)
class SessionSettings:
    """What a session must hold: `threads` of this one instance, `device` cpu or gpu, `precision` fp32 or bf16."""

    threads: int
    device: str = "cpu"
    precision: str = "fp32"


class Session(Protocol):
    """One loaded network. `settings` are what the runtime itself says it was set to, not what was asked for."""

    @property
    def settings(self) -> Mapping[str, str]: ...

    def run(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        """The outputs in the order of their names. They may be the runtime's memory: good until the next run."""
        ...


class OnnxRuntimeSession:
    """ONNX Runtime ignores OMP_NUM_THREADS: only the session's own option counts. Its idle workers must not spin,
    or they eat the core set that they share with the server and every CPU reading is 100 %.

    Nothing is copied on a CPU: `run` reads the arrays where they are, and answers with arrays over its own memory.
    """

    def __init__(self, path: Path, wanted: SessionSettings) -> None:
        import onnxruntime

        require("precision", "fp32", wanted.precision)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = wanted.threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if wanted.device == "gpu":
            onnxruntime.preload_dlls()  # CUDA's libraries are packages of their own, where no linker looks
        provider, given = provider_of(wanted.device, onnxruntime.get_available_providers())
        self._session = onnxruntime.InferenceSession(str(path), options, providers=[(provider, given)])
        held = self._session.get_session_options()
        require("intra_op_num_threads", held.intra_op_num_threads, wanted.threads)
        require_provider(self._session.get_providers(), self._session.get_provider_options(), provider, given)
        self.settings = {
            "version": onnxruntime.__version__,
            "threads": str(held.intra_op_num_threads),
            "spinning": held.get_session_config_entry("session.intra_op.allow_spinning"),
            "providers": "+".join(self._session.get_providers()),
        }

    def run(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        return list(self._session.run(list(outputs), dict(inputs)))


class OpenVinoSession:
    """OpenVINO computes in bf16 on CPUs that have it unless told f32: two per cent off, so shadow validation fails.

    Nothing is copied: `run` reads the arrays where they are, and answers with arrays over the request's memory.
    """

    def __init__(self, path: Path, wanted: SessionSettings) -> None:
        import openvino

        require("device", "cpu", wanted.device)
        precision = {"fp32": openvino.Type.f32, "bf16": openvino.Type.bf16}[wanted.precision]
        given = {
            "INFERENCE_NUM_THREADS": wanted.threads,
            "NUM_STREAMS": 1,
            "INFERENCE_PRECISION_HINT": precision,
            "ENABLE_CPU_PINNING": False,  # it would pin by core number, past the core set the replica was given
        }
        core = openvino.Core()
        compiled = core.compile_model(core.read_model(path), "CPU", given)
        held = {name: compiled.get_property(name) for name in given}
        require("INFERENCE_NUM_THREADS", held["INFERENCE_NUM_THREADS"], wanted.threads)
        require("INFERENCE_PRECISION_HINT", held["INFERENCE_PRECISION_HINT"], precision)
        self.settings = {"version": openvino.__version__, **{name: _shown(value) for name, value in held.items()}}
        self._request = compiled.create_infer_request()

    def run(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        self._request.infer(dict(inputs), share_inputs=True)
        return [self._request.get_tensor(name).data for name in outputs]


SESSIONS: Mapping[str, type[OnnxRuntimeSession] | type[OpenVinoSession]] = {
    "onnxruntime": OnnxRuntimeSession,
    "openvino": OpenVinoSession,
}

PROVIDERS: Mapping[str, tuple[str, dict[str, str]]] = {
    "cpu": ("CPUExecutionProvider", {}),
    "gpu": ("CUDAExecutionProvider", {"use_tf32": "0"}),  # TF32 is not the FP32 that the option says
}


def provider_of(device: str, available: Collection[str]) -> tuple[str, dict[str, str]]:
    """ONNX Runtime's execution provider for a device, with its options. Raises RuntimeError when it is not there."""
    provider, given = PROVIDERS[device]
    if provider not in available:
        raise RuntimeError(f"this ONNX Runtime has no {provider} for a {device} (it has {', '.join(available)})")
    return provider, given


def require_provider(
    held: Sequence[str], options: Mapping[str, Mapping[str, str]], provider: str, given: Mapping[str, str]
) -> None:
    """ONNX Runtime falls back to the CPU with no more than a line in the log when a provider cannot be loaded.

    `held` are its providers, the one that it prefers first; `options`, theirs by name, have no order.
    """
    require("execution provider", next(iter(held), None), provider)
    for name, value in given.items():
        require(name, options[provider].get(name), value)


def require(setting: str, held: object, wanted: object) -> None:
    """A setting that the runtime does not hold must stop the load: a measurement would be booked to it."""
    if held != wanted:
        raise RuntimeError(f"{setting} was set to {wanted} but the runtime says {held}")


def _shown(value: object) -> str:
    return str(value).replace(" ", "")
