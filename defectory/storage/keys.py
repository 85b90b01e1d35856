"""Keys and URIs: what a key may look like, and which URIs lie under a root."""

import re

from defectory.errors import InvalidInput, Refused

# One form for every store: no hidden files, no traversal, nothing that a file system or URL would read otherwise.
SEGMENT = r"[A-Za-z0-9_-][A-Za-z0-9._=+-]{0,199}"
KEY = re.compile(rf"{SEGMENT}(/{SEGMENT})*")
# First parts of keys that no caller gives.
OWN = ("checks", "datasets", "exports", "imports", "models", "operations", "prepared")
BEHIND = 250  # characters that the names of files below a caller's prefix take at most
MAX_KEY = 900  # S3 allows 1024 bytes, of which a prefix takes its share


def check_key(key: str) -> str:
    """The key, or InvalidInput."""
    if len(key) > MAX_KEY or not KEY.fullmatch(key):
        right = "'/'-separated parts of A-Z a-z 0-9 . _ = + -, none starting with '.', at most 900 characters"
        raise InvalidInput(f"{key[:100]!r} is not a key: {right}", {"key": right})
    return key


def check_output_prefix(prefix: str, field: str = "output_prefix") -> str:
    """What a caller wants files written below, without slashes at its ends; never where the system keeps its own.

    Raises:
        InvalidInput: no key, too long for what comes behind it, or below a root of the system's.
    """
    key = check_key(prefix.strip("/"))
    if len(key) > MAX_KEY - BEHIND:
        right = f"at most {MAX_KEY - BEHIND} characters"
        raise InvalidInput(f"{field} has {len(key)} characters: {right}", {field: right})
    if key.partition("/")[0].lower() in OWN:  # also where the file system takes "Models" for "models"
        right = f"use another folder than {', '.join(OWN)}, where the system keeps its own, e.g. runs/NAME"
        raise InvalidInput(f"{field} {key!r}: {right}", {field: right})
    return key


class Rooted:
    """A store's root URL and the way from keys to URIs and back."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def uri(self, key: str) -> str:
        """The key's URI under this store's root."""
        return f"{self.url}/{check_key(key)}"

    def key(self, uri: str) -> str:
        """The key of a URI; Refused when it does not lie under this store's root."""
        if not uri.startswith(self.url + "/"):
            raise Refused(f"{uri[:200]!r} does not lie under the store {self.url}")
        return check_key(uri[len(self.url) + 1 :])
