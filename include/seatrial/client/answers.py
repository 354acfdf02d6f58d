"""What an Inference Server answered, as values or as errors of our tree (pure)."""

from __future__ import annotations

from seatrial.client import messages
from seatrial.client.steps import EncodedRequest
from seatrial.client.wire import BadContents
from seatrial.errors import ServerFailed
from seatrial.tensors import Array


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
