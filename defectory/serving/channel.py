"""Channels to services: limits, keep-alive, TLS and token in one place."""

import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import grpc

from defectory.errors import InvalidInput

# A name may stand for several servers: calls go to all of them in turn. What changes nothing is asked again of another
# one where a server goes at that very moment: a call that it has taken and not begun ends there with CANCELLED.
# client/defectory_client has the same.
SERVERS = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [
        {
            "name": [
                {"service": "defectory.api.classifier.v1.ClassifierService", "method": "Classify"},
                {"service": "defectory.api.explainer.v1.ExplainerService", "method": "Explain"},
                {"service": "inference.GRPCInferenceService"},
            ],
            "retryPolicy": {
                "maxAttempts": 4, "initialBackoff": "0.1s", "maxBackoff": "1s", "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
            },
        }
    ],
}  # fmt: skip
LOOK_AGAIN_MS = 2000  # at the earliest, for the addresses of a name; gRPC itself waits half a minute


def message_options(max_message_mb: int) -> list[tuple[str, int]]:
    """How large a channel's messages may be, in MiB."""
    return [(f"grpc.max_{way}_message_length", max_message_mb << 20) for way in ("send", "receive")]


def open_channel(
    address: str, *, token: str = "", tls_ca: str = "", tls_cert: str = "", tls_key: str = "", max_message_mb: int = 64
) -> grpc.Channel:
    """A channel to `host:port`.

    Args:
        token: bearer token to send with every call.
        tls_ca: PEM file of the server's CA; with it the channel is encrypted.
        tls_cert, tls_key: PEM files with which the client shows who it is.

    Raises:
        InvalidInput: a file cannot be read; a certificate without its key, or a key without its certificate.
    """
    options: list[tuple[str, int | str]] = [
        *message_options(max_message_mb),
        ("grpc.service_config", json.dumps(SERVERS)),
        ("grpc.dns_min_time_between_resolutions_ms", LOOK_AGAIN_MS),
    ]
    if tls_ca:
        shown = bool(tls_cert or tls_key)
        certificate = read_pem("tls_cert", tls_cert) if shown else None
        key = read_pem("tls_key", tls_key) if shown else None
        credentials = grpc.ssl_channel_credentials(read_pem("tls_ca", tls_ca), key, certificate)
        channel = grpc.secure_channel(address, credentials, options)
    else:
        channel = grpc.insecure_channel(address, options)
    return grpc.intercept_channel(channel, _TokenSender(token)) if token else channel


def from_environment(address: str, environ: Mapping[str, str] = os.environ) -> grpc.Channel:
    """A channel as DEFECTORY_TOKEN and DEFECTORY_TLS_{CA,CERT,KEY} of this process say."""
    return open_channel(
        address,
        token=environ.get("DEFECTORY_TOKEN", ""),
        tls_ca=environ.get("DEFECTORY_TLS_CA", ""),
        tls_cert=environ.get("DEFECTORY_TLS_CERT", ""),
        tls_key=environ.get("DEFECTORY_TLS_KEY", ""),
        max_message_mb=int(environ.get("DEFECTORY_MAX_MESSAGE_MB", "64")),
    )


class LastingChannel:
    """A channel of `from_environment` for who keeps one: opened anew once the files that secure it have changed."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._lock = threading.Lock()
        self._opened: tuple[list[int], grpc.Channel] | None = None

    def get(self) -> grpc.Channel:
        """The channel of now. One that was given before lives as long as a call holds it."""
        stamps = [_modified(os.environ.get(f"DEFECTORY_TLS_{name}", "")) for name in ("CA", "CERT", "KEY")]
        with self._lock:
            if self._opened is None or self._opened[0] != stamps:
                self._opened = stamps, from_environment(self._address)
            return self._opened[1]


def _modified(path: str) -> int:
    try:
        return Path(path).stat().st_mtime_ns if path else 0
    except OSError:
        return 0


def read_pem(setting: str, path: str) -> bytes:
    """The bytes of a PEM file that a setting names.

    Raises:
        InvalidInput: the setting is empty, or the file cannot be read.
    """
    variable = f"DEFECTORY_{setting.upper()}"
    try:
        return Path(path or "(none)").read_bytes()
    except OSError as error:
        right = f"name a PEM file that can be read with {variable}"
        raise InvalidInput(f"{variable} {path!r}: {error.strerror}; {right}", {setting: right}) from error


class _Details(NamedTuple):
    method: str
    timeout: float | None
    metadata: Any
    credentials: Any
    wait_for_ready: bool | None
    compression: Any


class _TokenSender(
    grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor, grpc.StreamStreamClientInterceptor
):
    def __init__(self, token: str) -> None:
        self._header = ("authorization", f"Bearer {token}")

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        return continuation(self._with_token(details), request)

    def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        return continuation(self._with_token(details), request)

    def intercept_stream_stream(self, continuation: Any, details: Any, requests: Any) -> Any:
        return continuation(self._with_token(details), requests)

    def _with_token(self, details: Any) -> _Details:
        metadata = [*(details.metadata or ()), self._header]
        return _Details(
            details.method, details.timeout, metadata, details.credentials, details.wait_for_ready, details.compression
        )
