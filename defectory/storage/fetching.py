"""Reads the image that a caller names by its URI: from the store only, and no more than a message may hold."""

from defectory.errors import InvalidInput
from defectory.storage.store import ObjectStore

MAX_FILE_BYTES = 64 << 20


def fetched(store: ObjectStore, uri: str, field: str) -> bytes:
    """The file at a URI; `field` is how the caller calls it.

    Raises:
        InvalidInput: a malformed URI, or an object too large to be an image, which is not read.
        Refused: a URI outside the store. NotFound: no such object.
    """
    try:
        key = store.key(uri)
    except InvalidInput as error:
        raise InvalidInput(f"{field}: {error}", {field: str(error)}) from error
    size = store.head(key).size_bytes
    if size > MAX_FILE_BYTES:
        right = f"name an image of at most {MAX_FILE_BYTES >> 20} MiB"
        raise InvalidInput(f"{field}: {uri} has {size} bytes; {right}", {field: right})
    return store.get(key)
