"""Seatrial: from an uploaded model to production serving with nobody in the loop.

Services need one name, `InferenceClient`; it is imported on first use, so that `import seatrial` stays light.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seatrial.client.client import InferenceClient

__all__ = ["InferenceClient"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name == "InferenceClient":
        from seatrial.client.client import InferenceClient

        return InferenceClient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
