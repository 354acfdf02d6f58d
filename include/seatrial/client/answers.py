"""What an Inference Server answered, as values or as errors of our tree (pure)."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Any

from seatrial.client import messages
from seatrial.client.steps import EncodedRequest
from seatrial.client.wire import BadContents
from seatrial.errors import ServerFailed
from seatrial.tensors import Array


@dataclass(frozen=True)
class ModelStatistics:
    """Counters of one model since it was loaded. Times are seconds, summed; a batch's compute time counts once."""

    requests: int
    failures: int
    executions: int
    queue_s: float
    compute_s: float

    def since(self, before: ModelStatistics) -> ModelStatistics:
        """What was counted after `before`."""
        return ModelStatistics(*(now - then for now, then in zip(astuple(self), astuple(before), strict=True)))


def outputs_of(address: str, encoded: EncodedRequest, answer: bytes) -> dict[str, Array]:
    """Raises ServerFailed for what is no answer, or the answer of another model or version."""
    try:
        head, outputs = messages.read_answer(answer)
    except BadContents as error:
        raise ServerFailed(f"{address} answered {error}", address=address) from error
    if head.model != encoded.model or head.version != str(encoded.version):
        asked, told = f"{encoded.model}@{encoded.version}", f"{head.model}@{head.version}"
        raise ServerFailed(f"{address} answered as {told!r} what was asked of {asked}", address=address)
    return outputs


def statistics_of(address: str, response: Any) -> ModelStatistics:
    if len(response.model_stats) != 1:
        raise ServerFailed(f"{address} answered statistics of {len(response.model_stats)} models", address=address)
    stats = response.model_stats[0]
    times = [(b.compute_input.ns, b.compute_infer.ns, b.compute_output.ns) for b in stats.batch_stats]
    return ModelStatistics(
        requests=stats.inference_stats.success.count,
        failures=stats.inference_stats.fail.count,
        executions=stats.execution_count,
        queue_s=stats.inference_stats.queue.ns / 1e9,
        compute_s=sum(map(sum, times)) / 1e9,
    )
