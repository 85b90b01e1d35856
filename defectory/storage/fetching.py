"""Reads the image that a caller names by its URI: from the store only, and no more than a message may hold."""

import hashlib

from defectory.errors import Corrupted, InvalidInput, NotFound, Refused
from defectory.storage.store import ObjectStore

MAX_FILE_BYTES = 64 << 20


def fetched(store: ObjectStore, uri: str, field: str) -> bytes:
    """The file at a URI; `field` is how the caller calls it.

    Raises: errors whose `fields` name the field.
        InvalidInput: a malformed URI, or an object too large to be an image, which is not read.
        Refused: a URI outside the store. NotFound: no such object.
    """
    try:
        key = store.key(uri)
        size = store.head(key).size_bytes
        if size > MAX_FILE_BYTES:
            raise InvalidInput(f"{uri} has {size} bytes; name an image of at most {MAX_FILE_BYTES >> 20} MiB")
        return store.get(key)
    except (InvalidInput, NotFound, Refused) as error:
        raise type(error)(f"{field}: {error}", {field: str(error)}) from error


def verified(content: bytes, uri: str, sha256: str) -> bytes:
    """The content, if its SHA-256 is what is said of the object (hexadecimal; empty: nothing is).

    Raises:
        Corrupted: it is another one.
    """
    if sha256 and hashlib.sha256(content).hexdigest() != sha256:
        raise Corrupted(f"{uri} has another SHA-256 than its manifest line says; ingest the dataset again")
    return content
