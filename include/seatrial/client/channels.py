"""How this client speaks gRPC: the options of a connection with their reasons, and its calls."""

from __future__ import annotations

from typing import Any

_SERVICE = "/inference.GRPCInferenceService/"
_LARGEST = 2**31 - 1

CHANNEL_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_send_message_length", _LARGEST),
    ("grpc.max_receive_message_length", _LARGEST),
    # A server that was stopped or cut off, not ended, must not hold a call until its deadline: ask during calls only,
    # and at most twice without data, since a Triton server closes connections that ping three times (max_ping_strikes).
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 0),
    ("grpc.http2.max_pings_without_data", 2),
    # A replaced server often gets the address of its predecessor: find it at once, gRPC's default pauses reach 120 s.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # Servers are addressed directly: a proxy meant for the web must not see loopback traffic.
    ("grpc.enable_http_proxy", 0),
    # Each transport has its own connections, so that measured load does not share one with other callers.
    ("grpc.use_local_subchannel_pool", 1),
)


class Connection:
    """A channel and its calls: no serialisers, bytes go out and come back as they are."""

    __slots__ = ("channel", "infer", "ready")

    def __init__(self, channel: Any) -> None:
        self.channel = channel
        self.infer, self.ready = self.call("ModelInfer"), self.call("ModelReady")

    def call(self, method: str) -> Any:
        return self.channel.unary_unary(_SERVICE + method)
