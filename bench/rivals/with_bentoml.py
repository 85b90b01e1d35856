"""BentoML: `bentoml serve bench.rivals.with_bentoml:Classify --port PORT`."""

from pathlib import Path

import bentoml
import numpy as np

from bench.rivals.network import compute, decode


@bentoml.service(workers=1, traffic={"timeout": 60, "max_concurrency": 256})
class Classify:
    """Uploads that are batched, decoded, classified."""

    def __init__(self) -> None:
        self.compute = compute()

    @bentoml.api(batchable=True, max_batch_size=32, max_latency_ms=10_000)
    def classify(self, images: list[Path]) -> list[list[float]]:
        """Probabilities of a batch."""
        probabilities: list[list[float]] = self.compute(
            np.stack([decode(image.read_bytes()) for image in images])
        ).tolist()
        return probabilities
