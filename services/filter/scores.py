"""What the judge says of a manifest's images, as it wrote it into the store."""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from defectory.storage.store import ObjectStore
from services.filter.verdicts import Score


@dataclass(frozen=True)
class Scores:
    """What the judge said of a manifest: scores and embedding rows by the image's sha256."""

    by_image: dict[str, Score]
    embeddings: dict[str, np.ndarray]


def read_scores(store: ObjectStore, scores_uri: str, embeddings_uri: str) -> Scores:
    """Scores, a JSON object a line, and embeddings, an array (.npy) with a row for each line."""
    rows = [json.loads(line) for line in store.get(store.key(scores_uri)).splitlines()]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "embeddings.npy")
        store.get_file(store.key(embeddings_uri), file)
        # Rows are read when they are compared, and stay readable when the file has lost its name.
        embeddings = np.load(file, mmap_mode="r", allow_pickle=False)
    return Scores(
        {row["sha256"]: Score(row["probabilities"], row["spread"]) for row in rows},
        {row["sha256"]: embedding for row, embedding in zip(rows, embeddings, strict=True)},
    )
