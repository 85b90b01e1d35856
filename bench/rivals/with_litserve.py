"""LitServe: `python -m bench.rivals.with_litserve PORT`."""

import sys

import litserve
import numpy as np
from fastapi import UploadFile

from bench.rivals.network import compute, decode


class Classify(litserve.LitAPI):
    """An upload is decoded, batched, classified."""

    def setup(self, device: str) -> None:
        """Load the network."""
        self.compute = compute()

    def decode_request(self, request: UploadFile) -> np.ndarray:
        """The upload's pixels."""
        return decode(request.file.read())

    def predict(self, batch: np.ndarray) -> np.ndarray:
        """Of a batch."""
        return self.compute(np.asarray(batch))

    def encode_response(self, output: np.ndarray) -> dict[str, list[float]]:
        """As JSON."""
        return {"probabilities": output.tolist()}


if __name__ == "__main__":
    api = Classify(max_batch_size=32, batch_timeout=0.005)
    litserve.LitServer(api, accelerator="cpu", workers_per_device=1, timeout=60).run(
        port=int(sys.argv[1]), generate_client_file=False, log_level="warning"
    )
