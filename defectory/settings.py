"""Settings that all services share: one typed definition, from flags over the environment, read once at start."""

import argparse
import os
from collections.abc import Mapping, Sequence
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from defectory.datasets.manifest import MAX_LINES, Reading
from defectory.errors import InvalidInput
from defectory.ports import DEFAULT_METRICS_PORTS, DEFAULT_PORTS
from defectory.validation import validated


class ServiceSettings(BaseModel):
    """What every service is told from outside; each field is `DEFECTORY_<NAME>` and most are flags too.

    What one service only is told stands in a subclass of its own, `services/<service>/service_settings.py`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    store: str = Field(description="URL of the object store: file:///folder or s3://bucket/prefix")
    host: str = Field("127.0.0.1", description="address to listen on; 0.0.0.0 in a container")
    port: int = Field(ge=0, le=65535, description="gRPC port; 0: any free one")
    metrics_port: int = Field(ge=0, le=65535, description="port of /metrics; 0: any free one")
    health_port: int = Field(0, ge=0, le=65535, description="plaintext port that answers health alone; 0: none")
    token: str = Field(
        "", description="bearer token that is allowed everything, and that is sent to other services; empty: none"
    )
    tokens: str = Field(
        "",
        description="file of further tokens, a line each: name, scopes, SHA-256; read again when it changes. "
        "Without it and without token, nobody is asked for one",
    )
    tls_cert: str = Field(
        "", description="PEM file of the server's certificate, read again when it changes; empty: no TLS"
    )
    tls_key: str = Field("", description="PEM file of the server's key")
    tls_client_ca: str = Field(
        "", description="PEM file of the CA of client certificates; with it, clients must show one"
    )
    max_message_mb: int = Field(64, ge=1, le=1024, description="largest message in MiB")
    max_manifest_lines: int = Field(
        MAX_LINES, ge=1, le=10_000_000, description="images of a manifest that is read; of 1 to 2 KB each while it is"
    )
    message_s: float = Field(
        30.0, gt=0, le=3600, description="seconds that a caller may take to send a message; then his call is ended"
    )
    connections: int = Field(512, ge=1, le=100_000, description="connections at once; beyond that they are closed")
    streams: int = Field(
        512, ge=1, le=100_000, description="calls at once of a connection; its client holds back others"
    )
    connection_s: int = Field(
        0,
        ge=0,
        le=86_400,
        description="seconds that a connection may last, so that callers look for new servers; 0: any",
    )
    calls: int = Field(
        0,
        ge=0,
        le=10_000,
        description="calls at once of all connections, beside those for health; beyond that they are refused; "
        "0: as many as may be at work (generator, filter, explainer: 16; classifier: its queue and 80), and 256",
    )
    leave_s: float = Field(
        0.0,
        ge=0,
        le=3600,
        description="seconds at a stop in which calls are still answered while health says NOT_SERVING, so that "
        "callers go elsewhere",
    )
    drain_s: float = Field(
        20.0, ge=0, le=3600, description="seconds that workers, then calls in progress, get at a stop"
    )
    workers: int = Field(1, ge=1, le=64, description="operations that run at the same time")
    resume: Literal["always", "on-request"] = Field(
        "always", description="when unfinished operations are taken up again: at start, or when they are asked for"
    )
    log_format: Literal["json", "console"] = Field("json", description="form of the log lines")


Settings = TypeVar("Settings", bound=ServiceSettings)
SECRETS = {"token"}  # from the environment only: a flag shows in the list of processes


def stop_timeout_s(drain_s: float, leave_s: float = 0.0) -> float:
    """How long a service takes to stop at most: callers leave, its workers get the drain, then calls in progress do."""
    return leave_s + 2 * drain_s + 5


def read_settings(service: str, kind: type[Settings], arguments: Sequence[str], environ: Mapping[str, str]) -> Settings:
    """Settings of a service from its flags and, where a flag is not given, from the environment.

    Args:
        kind: the service's own settings.

    Raises:
        InvalidInput: a value out of range; names the setting.
    """
    parser = argparse.ArgumentParser(prog=f"python -m services.{service}", description=f"Starts the {service} service.")
    for name, field in kind.model_fields.items():
        if name not in SECRETS:
            parser.add_argument(f"--{name.replace('_', '-')}", help=f"{field.description} (DEFECTORY_{name.upper()})")
    flags = {name: value for name, value in vars(parser.parse_args(arguments)).items() if value is not None}
    from_environment = {
        name: environ[f"DEFECTORY_{name.upper()}"]
        for name in kind.model_fields
        if environ.get(f"DEFECTORY_{name.upper()}")
    }
    defaults = {
        "store": "",
        "port": DEFAULT_PORTS.get(service, 0),
        "metrics_port": DEFAULT_METRICS_PORTS.get(service, 0),
    }
    values = {**defaults, **from_environment, **flags}
    if not values["store"]:
        right = "give --store or DEFECTORY_STORE: file:///folder or s3://bucket/prefix"
        raise InvalidInput(f"no store: {right}", {"store": right})
    settings = validated(kind, values)
    _check_tls(settings)
    return settings


def reading_from_environment(environ: Mapping[str, str] = os.environ) -> Reading:
    """How a program that is no service reads manifests: as much as DEFECTORY_MAX_MANIFEST_LINES lets the services.

    Raises:
        InvalidInput: the variable is no number above 0.
    """
    value = environ.get("DEFECTORY_MAX_MANIFEST_LINES") or str(MAX_LINES)
    if not value.isdecimal() or int(value) < 1:
        right = "use a whole number of at least 1"
        raise InvalidInput(f"DEFECTORY_MAX_MANIFEST_LINES {value!r}: {right}", {"max_manifest_lines": right})
    return Reading(int(value))


def _check_tls(settings: ServiceSettings) -> None:
    """A server's certificate and key go together, and a client's is asked for on an encrypted connection only."""
    needed = {"tls_cert": settings.tls_key or settings.tls_client_ca, "tls_key": settings.tls_cert}
    for name, because in needed.items():
        if because and not getattr(settings, name):
            right = f"give DEFECTORY_{name.upper()} too, or neither"
            raise InvalidInput(f"{name} is missing beside {because}: {right}", {name: right})
