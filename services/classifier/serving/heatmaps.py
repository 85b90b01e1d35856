"""Heatmaps of answers, asked of the explainer service."""

from collections.abc import Callable

import grpc

from defectory.api.classifier.v1 import classifier_pb2
from defectory.api.explainer.v1 import explainer_pb2, explainer_pb2_grpc
from defectory.serving.channel import from_environment
from defectory.serving.status import error_from_rpc

Explain = Callable[[str, classifier_pb2.ImageSource, str, float | None], bytes]


def explainer_at(address: str) -> Explain:
    """What asks the explainer at `host:port` for a heatmap: (model, image, label, timeout in seconds) -> PNG."""
    stub = explainer_pb2_grpc.ExplainerServiceStub(from_environment(address))

    def explain(model: str, image: classifier_pb2.ImageSource, label: str, timeout_s: float | None) -> bytes:
        request = explainer_pb2.ExplainRequest(model=model, image=image, label=label)
        try:
            return stub.Explain(request, timeout=timeout_s).heatmap
        except grpc.RpcError as error:
            raise error_from_rpc(error) from error

    return explain
