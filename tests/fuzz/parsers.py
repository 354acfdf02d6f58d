"""The parsers of an upload, each with sound bytes to start from: whatever the bytes, an answer or a typed refusal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from seatrial.errors import Refused
from seatrial.formats.saved_model_proto import parse
from seatrial.formats.tensorrt import read_header
from seatrial.formats.tensorrt_device import read_device
from seatrial.formats.variables_index import read_index
from seatrial.storage.paths import path_flaw
from seatrial.tensors import from_npz, to_npz
from seatrial.uploads.manifest import manifest_of
from tests.models import tiny_sample
from tests.plans import archive, plan
from tests.saved_models import saved_model, variables_index

MANIFEST = b"name: tiny\nformat: onnx\nobjective: {latency_ms: 200.0}\nsamples: [samples/a.npz]\ntags: {a: b}\n"


@dataclass(frozen=True)
class Parser:
    """`reads` may raise what is in `refuses` and nothing else. `seeds` are whole files that it reads."""

    reads: Callable[[bytes], object]
    seeds: tuple[bytes, ...]
    refuses: tuple[type[Exception], ...] = (Refused,)


PARSERS = {
    "manifest": Parser(manifest_of, (MANIFEST,)),
    "sample": Parser(lambda data: from_npz(data, limit_bytes=2**20), (to_npz(tiny_sample()),)),
    "plan-header": Parser(read_header, (plan((10, 3, 0, 26)), archive((8, 5, 3, 1))), ()),
    "plan-device": Parser(read_device, (archive((7, 1, 3, 0)), archive((8, 5, 3, 1))), ()),
    "saved-model": Parser(lambda data: parse("SavedModel", data), (saved_model(),), (DecodeError,)),
    "variables-index": Parser(
        lambda data: read_index(data, "variables.index"), (variables_index([("a", 0, 0, 16), ("b", 0, 16, 4)]),)
    ),
    "path": Parser(lambda data: path_flaw(data.decode(errors="surrogateescape")), (b"samples/a.npz",), ()),
}
