"""Whether two processes mean the same store: its URL alone does not say so."""

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit


def identity(url: str, environ: Mapping[str, str] = os.environ) -> str:
    """The same for every spelling of a folder and of a prefix, and another where another S3 server is asked.

    Args:
        url: as `open_store` takes it. environ: what names the S3 server.
    """
    parts = urlsplit(url)
    if parts.scheme == "file":
        return Path(unquote(parts.path)).resolve().as_uri()
    if parts.scheme == "s3":
        from defectory.storage.s3_settings import S3Settings

        settings = S3Settings.from_environment(environ)
        return f"s3://{parts.netloc}/{parts.path.strip('/')} at {settings.endpoint}"
    return f"{url} of process {os.getpid()}"
