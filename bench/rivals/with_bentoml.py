"""BentoML: `bentoml serve bench.rivals.with_bentoml:Classify --port PORT`."""

from pathlib import Path

import bentoml
import numpy as np

from bench.rivals.network import compute, decode


@bentoml.service(workers=1, traffic={"timeout": 60, "max_concurrency": 256})
class Network:
    """Batches that are classified."""

    def __init__(self) -> None:
        self.compute = compute()

    @bentoml.api(batchable=True, batch_dim=0, max_batch_size=32, max_latency_ms=10_000)
    def classify(self, images: np.ndarray) -> np.ndarray:
        """Probabilities of a batch."""
        return self.compute(images)


@bentoml.service(workers=1, traffic={"timeout": 60, "max_concurrency": 256})
class Classify:
    """Uploads that are decoded."""

    network = bentoml.depends(Network)

    @bentoml.api
    async def classify(self, image: Path) -> np.ndarray:
        """Probabilities of an upload."""
        found = await self.network.to_async.classify(decode(image.read_bytes())[None])
        return found[0]
