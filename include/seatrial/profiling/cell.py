"""What a measurement says: the values that are kept as evidence."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from seatrial.hardware import HardwareOption
from seatrial.profiling.arrivals import POISSON, Gaps
from seatrial.profiling.gauges import Gauges
from seatrial.profiling.gpu_gauges import GpuUse
from seatrial.profiling.queue import Queue
from seatrial.profiling.sharing import Alone


class Objective(BaseModel):
    """A latency percentile and the milliseconds that it may reach, for requests that arrive like that (`arrivals`)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    percentile: float = Field(default=99.0, ge=50, le=99.99)
    latency_ms: float = Field(gt=0)
    gaps: Gaps = Field(default=POISSON, description="Between requests, of mean 1; none: Poisson arrivals.")

    @property
    def allowed(self) -> float:
        """Share of requests that may be late."""
        return 1 - self.percentile / 100


Kind = Literal["idle", "saturation", "level"]
"""Of load: one request at a time, as many as are answered, or a rate."""


class Level(BaseModel):
    """One level of load; `rate` in requests per second, `late_share` against the objective's latency. `gauges` and, of
    an option with a GPU, `gpu` are None in older measurements, whose `kind` is "level" also for the first two, idle and
    saturation."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: Kind = "level"
    rate: float
    p50_ms: float
    p99_ms: float
    late_share: float
    cpu_cores: float
    memory_mb: float
    gauges: Gauges | None = None
    gpu: GpuUse | None = None


class Capacity(BaseModel):
    """How much load one replica carries; rates in requests per second.

    `mu` is the saturation throughput with its interval [`mu_low`, `mu_high`], both 0 in older measurements;
    `lambda_max` the highest open-loop rate within the objective with its interval [`lambda_low`, `lambda_high`].
    Latencies are those measured at `verified_at`, with their intervals as of a level so long, all 0 in older
    measurements and where no level kept the objective. `method`: survey = the queue model's estimate from idle and
    saturation alone, model = queue model and load agree, live = load alone, infeasible = too slow for one request at a
    time, or at every rate that was tried.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    feasible: bool
    method: Literal["survey", "model", "live", "infeasible"]
    mu: float
    mu_low: float = 0.0
    mu_high: float = 0.0
    lambda_max: float
    lambda_low: float
    lambda_high: float
    verified_at: float
    verified_s: float = Field(
        default=0.0, description="Seconds of the long level that showed it; 0: it was given none."
    )
    p50_ms: float
    p50_low_ms: float = 0.0
    p50_high_ms: float = 0.0
    p95_ms: float
    p95_low_ms: float = 0.0
    p95_high_ms: float = 0.0
    p99_ms: float
    p99_low_ms: float = 0.0
    p99_high_ms: float = 0.0
    idle_p50_ms: float
    cpu_cores_mean: float
    cpu_cores_peak: float
    memory_mb_peak: float
    gpu: GpuUse | None = Field(default=None, description="What the GPU did in the last window; None on CPU.")
    seed: int
    seconds: float
    notes: tuple[str, ...] = ()
    findings: tuple[str, ...] = Field(
        default=(), description="What the model does that its capacity does not show: slow ones, growth, failures."
    )
    levels: tuple[Level, ...] = ()
    services_ms: tuple[float, ...] = Field(
        default=(),
        description="Service times as they were observed, for another objective; empty in older measurements.",
    )
    queue: Queue | None = Field(default=None, description="What requests waited for; None in older measurements.")

    @property
    def assured(self) -> float:
        """What a policy may count on: the interval's lower end; where there is none (older surveys), a little less than
        the estimate. Source: methods, section 3."""
        return self.lambda_low or 0.95 * self.lambda_max


class ServerCounts(BaseModel):
    """What Triton counted of one model over a whole measurement, idle requests included. Seconds are sums: `queue_s` of
    all requests, `compute_s` of all executions, of which one answers a whole batch."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    requests: int
    failures: int
    executions: int
    queue_s: float
    compute_s: float


class NotQuiet(BaseModel):
    """Why an option has no capacity: the machine did other work in each of several windows in a row."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    option: HardwareOption
    objective: Objective
    machine: str
    reason: str
    at_ms: int


class Cell(BaseModel):
    """One measured point of the matrix, with everything that it is a measurement of."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    key: str
    measured_as: str = Field(default="", description="Digest of all that the figures depend on, but for the objective.")
    model: str
    version: int
    model_id: int
    tree_digest: str
    option: HardwareOption
    objective: Objective
    capacity: Capacity
    machine: str
    inference_server: str = Field(
        default="", description="The programs that computed; not stated in older measurements."
    )
    driver: str = Field(default="", description="GPU driver; empty without one, and in older measurements.")
    shared_cores: bool = Field(description="The load generator had no core of its own: the figures are cautious.")
    started_in_s: float
    server: ServerCounts | None = Field(default=None, description="Triton's own counts; None in older measurements.")
    alone: Alone | None = Field(default=None, description="Without its neighbours; None for what shares no GPU.")
    at_ms: int

    @property
    def cost(self) -> float:
        """Price of the option for one request per second within the objective."""
        return self.option.price / self.capacity.lambda_max

    @property
    def interference(self) -> float | None:
        """How many times as much the replica would carry alone on its GPU, in saturation; None for what shares none."""
        return None if self.alone is None else self.alone.mu / self.capacity.mu
