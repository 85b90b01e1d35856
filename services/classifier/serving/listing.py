"""What the store has of classifiers: their complete versions, and which files make each of them up."""

from defectory.models import version_prefix
from defectory.storage.store import ObjectStore
from services.classifier.card import KIND

Files = tuple[tuple[str, str], ...]  # (key, etag) of a version's own files: changes whenever one of them does


def listed(store: ObjectStore, only: str = "") -> dict[str, dict[str, Files]]:
    """{name: {version: files}} of all versions that have a card; of all models, or of one."""
    prefix = version_prefix(KIND, only, "").rstrip("/") + "/" if only else f"models/{KIND}/"
    by_version: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for info in store.list(prefix):
        parts = info.key.split("/")
        if len(parts) == 5 and parts[3].isdecimal():
            by_version.setdefault((parts[2], parts[3]), []).append((info.key, info.etag))
    models: dict[str, dict[str, Files]] = {}
    for (name, version), files in by_version.items():
        if any(key.endswith("/model.json") for key, _ in files):
            models.setdefault(name, {})[version] = tuple(files)
    return models
