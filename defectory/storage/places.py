"""Where an object lies, for a person: a file's path, which can be opened; other URIs as they are."""

from urllib.parse import unquote, urlsplit


def path_or_uri(uri: str) -> str:
    """ "/stores/a line/report.html" of "file:///stores/a%20line/report.html"; "s3://…" as it is."""
    parts = urlsplit(uri)
    return unquote(parts.path) if parts.scheme == "file" else uri
