"""What a request goes through in one replica (pure data)."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Queue(BaseModel):
    """First in, first out; `instances` workers, each of which takes up to `max_batch` of the waiting requests at once.
    Seconds everywhere."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    instances: int = Field(default=1, ge=1)
    max_batch: int = Field(default=1, ge=1, description="Requests, not rows: 1 where a server does not batch.")
    each_more: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="What each further request of a batch adds, as a share of what one alone takes: b of them take"
        " 1 + (b - 1) x each_more times as long as one.",
    )
    alone_s: float = Field(
        default=0.0,
        ge=0,
        description="About what one request alone takes: with batches, answers closer to each other than a quarter of"
        " it are of one batch.",
    )
    floor_s: float = Field(
        default=0.0, ge=0, description="What network, machine and client add to a request while no worker is held."
    )

    def of_batch(self, requests: float) -> float:
        """How many times as long as one request so many in one batch take."""
        return 1 + (requests - 1) * self.each_more

    def saturation(self, service_s: float) -> float:
        """Requests/s that the workers answer when they never wait, at that mean service time of one request."""
        return self.instances * self.max_batch / (service_s * self.of_batch(self.max_batch))
