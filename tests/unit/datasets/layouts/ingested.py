"""What an ingest made of a drawn tree, looked up in the store: labels, splits, groups and the pixels of masks."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from defectory.datasets.ingest import ingest
from defectory.datasets.manifest import read_manifest
from defectory.datasets.manifest_line import ManifestLine
from defectory.imaging import decode
from defectory.storage.memory import MemoryStore
from tests.unit.datasets.layouts.drawing import SIDE


@dataclass(frozen=True)
class Ingested:
    """A dataset in a store of its own."""

    store: MemoryStore
    lines: dict[str, ManifestLine]  # by source
    card: dict[str, Any]

    def kinds(self) -> dict[str, str]:
        """source -> kind of defect; "" for a good part."""
        return {source: line.kind for source, line in self.lines.items()}

    def has_mask(self, source: str) -> bool:
        """Whether a photograph was taken, and with its mask."""
        return source in self.lines and self.lines[source].mask is not None

    def mask(self, source: str) -> np.ndarray:
        """A photograph's mask in its own size: uint8 (SIDE, SIDE); all 0 where it has none."""
        mask = self.lines[source].mask
        if mask is None:
            return np.zeros((SIDE, SIDE), np.uint8)
        return np.asarray(decode(self.store.get(self.store.key(mask.uri))))


def ingested(root: Path, **settings: Any) -> Ingested:
    """Ingest a folder at the size that its pictures are drawn in."""
    store = MemoryStore()
    result = ingest(root, store, "drawn", **settings)
    lines = {line.origin.source: line for line in read_manifest(store, result.manifest_uri)}
    return Ingested(store, lines, result.card)
