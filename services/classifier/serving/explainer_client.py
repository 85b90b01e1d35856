"""Asks the explainer for a heatmap."""

import grpc

from defectory.api.classifier.v1 import classifier_pb2
from defectory.api.explainer.v1 import explainer_pb2, explainer_pb2_grpc
from defectory.errors import Cancelled
from defectory.serving.channel import from_environment
from defectory.serving.status import error_from_rpc
from services.classifier.serving.answering import Caller, Source
from services.classifier.serving.heatmaps import Explain

LONGEST_S = 60.0  # for one heatmap, where the caller sets no deadline


def explainer_at(address: str) -> Explain:
    """What asks the explainer at `host:port` for a heatmap, as long as the caller waits and at most LONGEST_S."""
    stub = explainer_pb2_grpc.ExplainerServiceStub(from_environment(address))

    def explain(model: str, image: Source, label: str, caller: Caller) -> bytes:
        where = {"uri": image.uri} if image.uri else {"content": image.content}  # one of the two
        source = classifier_pb2.ImageSource(**where)
        request = explainer_pb2.ExplainRequest(model=model, image=source, label=label)
        remaining_s = caller.remaining_s()
        call = stub.Explain.future(request, timeout=LONGEST_S if remaining_s is None else remaining_s)
        if not caller.on_end(call.cancel):
            call.cancel()
        try:
            heatmap: bytes = call.result().heatmap
            return heatmap
        except grpc.FutureCancelledError as error:
            raise Cancelled("the caller has gone") from error
        except grpc.RpcError as error:
            raise error_from_rpc(error) from error

    return explain
