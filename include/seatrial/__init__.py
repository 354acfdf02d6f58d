"""Seatrial: from an uploaded model to production serving with nobody in the loop.

Services need one name, `InferenceClient`, or `AsyncInferenceClient` in an asyncio loop; they are imported on first use,
so that `import seatrial` stays light.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seatrial.client.aio import AsyncInferenceClient
    from seatrial.client.client import InferenceClient

__all__ = ["AsyncInferenceClient", "InferenceClient"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name == "InferenceClient":
        from seatrial.client.client import InferenceClient

        return InferenceClient
    if name == "AsyncInferenceClient":
        from seatrial.client.aio import AsyncInferenceClient

        return AsyncInferenceClient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
