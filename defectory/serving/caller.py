"""Who waits for a call's answer: its deadline and its end, for domain code that knows no gRPC."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import grpc

from defectory.errors import Cancelled, DefectoryError, Expired

Item = TypeVar("Item")

NO_DEADLINE_S = 1e6  # gRPC says that a call without a deadline has centuries left

# A client whose deadline passes resets its call at once, and gRPC rounds the deadline that it tells the service up, by
# as much as 1%: a caller who goes so shortly before the end has not cancelled, his time was over.
EARLY_S, EARLY_SHARE = 0.05, 0.02


class GrpcCaller:
    """A call's caller; to be made when the call begins."""

    def __init__(self, context: grpc.ServicerContext) -> None:
        self._context = context
        self._early_s = max(EARLY_S, EARLY_SHARE * (self._left_s() or 0.0))

    def remaining_s(self) -> float | None:
        """Seconds to the deadline, 0 when it has passed; None without a deadline.

        Raises:
            Cancelled: the caller has gone before that.
        """
        end = self.end()
        if isinstance(end, Cancelled):
            raise end
        return 0.0 if end is not None else self._left_s()

    def check(self) -> None:
        """Raise Expired or Cancelled where nobody waits for the answer any more; at a stop, callers are sent away."""
        if self.remaining_s() == 0:
            raise Expired("the deadline passed before the answer was there")

    def each(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items, as long as the caller waits for what becomes of them."""
        for item in items:
            self.check()
            yield item

    def end(self) -> DefectoryError | None:
        """Why the caller no longer waits: Expired when the deadline has passed, else Cancelled; None while he does."""
        if self._context.is_active():
            return None
        left_s = self._left_s()
        if left_s is not None and left_s <= self._early_s:
            return Expired("the deadline passed before the answer was there")
        return Cancelled("the caller has gone")

    def on_end(self, callback: Callable[[], None]) -> bool:
        """Call back when the caller has gone, or has been answered; False when it has gone already."""
        return bool(self._context.add_callback(callback))

    def _left_s(self) -> float | None:
        left_s = self._context.time_remaining()
        return left_s if left_s is not None and left_s < NO_DEADLINE_S else None
