"""Where an S3 server is and who asks, from the environment that other S3 clients read as well."""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from minio.credentials import AWSConfigProvider, ChainedProvider, EnvAWSProvider, EnvMinioProvider, IamAwsProvider
from minio.credentials.providers import Provider, StaticProvider

from defectory.errors import InvalidInput

AMAZON = "https://s3.amazonaws.com"
# The first of each that is set and not empty counts: ours, then AWS's own, the more special before the more general.
ENDPOINTS = ("DEFECTORY_S3_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
AUTHORITIES = ("AWS_CA_BUNDLE", "SSL_CERT_FILE")


@dataclass(frozen=True)
class S3Settings:
    """Where the server is and who asks."""

    endpoint: str  # "host[:port]"
    secure: bool
    region: str
    credentials: Provider
    tls: ssl.SSLContext | None  # what certificates are checked by; None without TLS

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "S3Settings":
        """Read endpoint, region, authorities and the usual chain of credentials.

        Raises:
            InvalidInput: the endpoint is not `http://host[:port]` or `https://host[:port]`, or the authorities' file
                cannot be read; names the variable.
        """
        variable, url = _first(environ, ENDPOINTS) or (ENDPOINTS[0], AMAZON)
        match = re.fullmatch(r"(https?)://([^/\s@]+)/?", url)
        if not match:
            right = "use http://host:port or https://host; credentials have variables of their own"
            raise InvalidInput(f"{variable} {without_credentials(url)!r}: {right}", {variable: right})
        secure = match[1] == "https"
        _, region = _first(environ, REGIONS) or ("", "us-east-1")
        return cls(match[2], secure, region, _credentials(environ), _tls(environ) if secure else None)


def without_credentials(url: str) -> str:
    """A URL for a message: what stands before its @ may be a password."""
    return re.sub(r"[^/]*@", "…@", url)


def _first(environ: Mapping[str, str], names: tuple[str, ...]) -> tuple[str, str] | None:
    return next(((name, environ[name]) for name in names if environ.get(name)), None)


def _credentials(environ: Mapping[str, str]) -> Provider:
    if environ.get("AWS_ACCESS_KEY_ID") and environ.get("AWS_SECRET_ACCESS_KEY"):
        return StaticProvider(
            environ["AWS_ACCESS_KEY_ID"], environ["AWS_SECRET_ACCESS_KEY"], environ.get("AWS_SESSION_TOKEN")
        )
    return ChainedProvider([EnvAWSProvider(), EnvMinioProvider(), AWSConfigProvider(), IamAwsProvider()])


def _tls(environ: Mapping[str, str]) -> ssl.SSLContext:
    given = _first(environ, AUTHORITIES)
    if given is None:
        return ssl.create_default_context()
    variable, path = given
    try:
        if Path(path).is_dir():
            return ssl.create_default_context(capath=path)
        return ssl.create_default_context(cafile=path)
    except OSError as error:  # ssl.SSLError is one
        right = "name a PEM file of certificates"
        raise InvalidInput(f"{variable} {path!r} cannot be read ({error}): {right}", {variable: right}) from error
