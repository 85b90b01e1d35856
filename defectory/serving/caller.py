"""Who waits for a call's answer: its deadline and its end, for domain code that knows no gRPC."""

from collections.abc import Callable

import grpc

NO_DEADLINE_S = 1e6  # gRPC says that a call without a deadline has centuries left


class GrpcCaller:
    """A call's caller."""

    def __init__(self, context: grpc.ServicerContext) -> None:
        self._context = context

    def remaining_s(self) -> float | None:
        """Seconds to the deadline, 0 when it has passed or the caller has gone; None without a deadline."""
        if not self._context.is_active():
            return 0.0
        remaining = self._context.time_remaining()
        return remaining if remaining is not None and remaining < NO_DEADLINE_S else None

    def on_end(self, callback: Callable[[], None]) -> bool:
        """Call back when the caller has gone, or has been answered; False when it has gone already."""
        return bool(self._context.add_callback(callback))
