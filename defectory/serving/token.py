"""The bearer token that callers bring."""

import hmac
from typing import Any

OPEN_TO_ALL = "/grpc.health.v1.Health/"  # probes carry no token


class Token:
    """What opens a service."""

    wanted = "this service wants `authorization: Bearer <token>`"

    def __init__(self, token: str) -> None:
        self._expected = f"Bearer {token}".encode()

    def opens(self, details: Any) -> bool:
        """Whether a call (grpc.HandlerCallDetails) brings it, or needs none."""
        sent = next((value for key, value in details.invocation_metadata if key == "authorization"), "")
        return details.method.startswith(OPEN_TO_ALL) or hmac.compare_digest(str(sent).encode(), self._expected)
