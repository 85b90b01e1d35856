"""Channels to services: limits, keep-alive, TLS and token in one place."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import grpc


def open_channel(
    address: str, *, token: str = "", tls_ca: str = "", tls_cert: str = "", tls_key: str = "", max_message_mb: int = 64
) -> grpc.Channel:
    """A channel to `host:port`.

    Args:
        token: bearer token to send with every call.
        tls_ca: PEM file of the server's CA; with it the channel is encrypted.
        tls_cert, tls_key: PEM files with which the client shows who it is.
    """
    limit = max_message_mb << 20
    options = [("grpc.max_send_message_length", limit), ("grpc.max_receive_message_length", limit)]
    if tls_ca:
        certificate = Path(tls_cert).read_bytes() if tls_cert else None
        key = Path(tls_key).read_bytes() if tls_key else None
        credentials = grpc.ssl_channel_credentials(Path(tls_ca).read_bytes(), key, certificate)
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


class _Details(NamedTuple):
    method: str
    timeout: float | None
    metadata: Any
    credentials: Any
    wait_for_ready: bool | None
    compression: Any


class _TokenSender(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    def __init__(self, token: str) -> None:
        self._header = ("authorization", f"Bearer {token}")

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        return continuation(self._with_token(details), request)

    def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        return continuation(self._with_token(details), request)

    def _with_token(self, details: Any) -> _Details:
        metadata = [*(details.metadata or ()), self._header]
        return _Details(
            details.method, details.timeout, metadata, details.credentials, details.wait_for_ready, details.compression
        )
