"""Object stores: one small verb set, in a folder, in memory and on S3."""

import os
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from defectory.errors import InvalidInput
from defectory.storage.store import ObjectInfo, ObjectStore

__all__ = ["ObjectInfo", "ObjectStore", "open_store"]


def open_store(url: str, environ: Mapping[str, str] = os.environ, *, make: bool = True) -> ObjectStore:
    """Open the store at a URL.

    Args:
        url: `file:///folder`, `s3://bucket[/prefix]` or `memory://` (of this process, for tests).
        environ: where S3's endpoint, region and credentials come from (see docs/settings.md).
        make: a folder or bucket that does not exist yet is made.

    Raises:
        NotFound: there is none, and none is to be made.
        InvalidInput: another scheme, or a URL without its folder or bucket.
        Unavailable, Refused: the S3 server does not answer or does not let us in.
    """
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.netloc in ("", "localhost") and parts.path:
        from defectory.storage.folder import FolderStore

        return FolderStore(unquote(parts.path), make=make)
    if parts.scheme == "s3" and parts.netloc and "@" not in parts.netloc:
        from defectory.storage.s3 import S3Store
        from defectory.storage.s3_settings import S3Settings

        return S3Store(parts.netloc, parts.path.strip("/"), S3Settings.from_environment(environ), make=make)
    if parts.scheme == "memory":
        from defectory.storage.memory import MemoryStore

        return MemoryStore()
    from defectory.storage.s3_settings import without_credentials

    right = "use file:///absolute/folder or s3://bucket/prefix; credentials have variables of their own"
    raise InvalidInput(f"{without_credentials(url)!r} is not a store: {right}", {"store": right})
