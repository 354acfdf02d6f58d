"""An Inference Server's record, as it is while the server starts."""

from __future__ import annotations

from seatrial.hardware import HardwareOption
from seatrial.served_model import ServedModel
from seatrial.serving.ports import Ports
from seatrial.serving.record import ServerRecord
from seatrial.tensors import Signature

SERVED = ServedModel(
    name="tiny", version=1, format="onnx", main_file="m", files={"m": "a" * 64}, signature=Signature((), ())
)
TWO = HardwareOption.model_validate({"name": "cpu-2", "cores": 2})
STARTING = ServerRecord(
    id="a", purpose="a test", served=SERVED, option=TWO, core_set=(0,), ports=Ports(http=1, grpc=2, metrics=3)
)
