"""Hashes of what a step is made from, wherever the store lies, and the names and request ids that follow from them."""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path

from defectory.errors import InvalidInput, NotFound

# Raised whenever a step would make something else of the same inputs: every step then runs again.
CONTRACT_VERSION = 1


def input_hash(step: str, inputs: Mapping[str, object], store_url: str) -> str:
    """SHA-256 over a step's name, its inputs and the contract's version; URIs count relative to the store."""
    canonical = json.dumps([CONTRACT_VERSION, step, relative(inputs, store_url)], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def request_id(step: str, hash_: str, part: str, forced: int) -> str:
    """At most 64 of [A-Za-z0-9_-]: the same for the same work, so that a started operation is found again."""
    digest = hashlib.sha256(f"{step} {hash_} {part} {forced}".encode()).hexdigest()
    return f"{step[:24]}-{digest[:32]}"


def object_name(*parts: str) -> str:
    """A name of at most 63 of [a-z0-9._-] for a dataset or model; shortened or mended names end in a hash."""
    plain = ".".join(parts)
    name = re.sub(r"[^a-z0-9._-]+", "-", plain.lower()).strip(".-_")
    if name == plain and len(name) <= 63:
        return name
    return f"{name[:54].strip('.-_') or 'x'}-{hashlib.sha256(plain.encode()).hexdigest()[:8]}"


def fingerprint(path: Path) -> list[tuple[str, int, int]]:
    """(relative path, bytes, modification time in ns) of every file of a folder (or of the one file), in order.

    A file that was only touched is ingested again; it gives the same dataset, and no later step runs.
    """
    from defectory.datasets.layouts.tree import Tree

    if path.is_file():
        return [(path.name, path.stat().st_size, path.stat().st_mtime_ns)]
    if not path.is_dir():
        raise NotFound(f"there is no folder {path}")
    files = Tree.of(path).files  # links are followed as ingest follows them
    if not files:
        raise InvalidInput(f"{path} holds no file", {"data.directory": "a folder with images"})
    status = {name: (path / name).stat() for name in files}
    return [(name, status[name].st_size, status[name].st_mtime_ns) for name in files]


def relative(value: object, store_url: str) -> object:
    """A value in which URIs of the store are keys of it, wherever it lies."""
    if isinstance(value, str):
        return value.removeprefix(store_url.rstrip("/") + "/")
    if isinstance(value, Mapping):
        return {str(key): relative(part, store_url) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [relative(part, store_url) for part in value]
    return value
