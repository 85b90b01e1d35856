"""MLServer: `mlserver start FOLDER`, with the settings that `with_mlserver_settings` leaves there."""

import numpy as np
from mlserver import MLModel
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput

from bench.rivals.network import compute, decode


class Classify(MLModel):
    """Batches of encoded images that are classified."""

    async def load(self) -> bool:
        """Load the network."""
        self.compute = compute()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Probabilities of a batch."""
        files = [bytes(content) for content in payload.inputs[0].data]
        probabilities = self.compute(np.stack([decode(content) for content in files]))
        output = ResponseOutput(
            name="probabilities", shape=list(probabilities.shape), datatype="FP32", data=probabilities.ravel().tolist()
        )
        return InferenceResponse(model_name=self.name, outputs=[output])
