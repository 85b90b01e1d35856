"""Heatmaps of answers, asked of the explainer service: a few a call, and no more at once than it may have waiting."""

from collections.abc import Callable, Sequence

import grpc

from defectory.api.classifier.v1 import classifier_pb2
from defectory.api.explainer.v1 import explainer_pb2, explainer_pb2_grpc
from defectory.errors import Cancelled, Exhausted, Expired, InvalidInput
from defectory.serving.admission import Admission
from defectory.serving.channel import from_environment
from defectory.serving.status import error_from_rpc
from services.classifier.serving.answering import Caller

Explain = Callable[[str, classifier_pb2.ImageSource, str, Caller], bytes]

MAX_HEATMAPS = 16  # of a call
MAX_WAITING = 32  # of all calls
LONGEST_S = 60.0  # for one, where the caller sets no deadline


class Heatmaps:
    """Asks for the heatmaps of calls, from many threads at once.

    Args:
        explain: (model, image, label, for whom) -> PNG.
        max_bytes: of a call's heatmaps in all, so that its answer fits into a message.
    """

    def __init__(self, explain: Explain, max_bytes: int) -> None:
        self._explain = explain
        self._max_bytes = max_bytes
        self._admission = Admission(MAX_WAITING)

    @staticmethod
    def check_count(images: int) -> None:
        """InvalidInput for a call of more than MAX_HEATMAPS images."""
        if images > MAX_HEATMAPS:
            right = f"ask for heatmaps of at most {MAX_HEATMAPS} images a call"
            raise InvalidInput(f"heatmaps of {images} images: {right}", {"heatmap": right})

    def of(
        self, model: str, images: Sequence[classifier_pb2.ImageSource], labels: Sequence[str], caller: Caller
    ) -> list[bytes]:
        """The images' heatmaps as PNG, each of its label.

        Raises:
            Exhausted: too many wait for one, or they are too large for one answer. Expired, Cancelled: the caller's
            time is over.
            Unavailable, …: as the explainer says.
        """
        found: list[bytes] = []
        with self._admission.admitted(len(images)):
            for image, label in zip(images, labels, strict=True):
                remaining_s = caller.remaining_s()
                if remaining_s is not None and remaining_s <= 0:
                    raise Expired("the deadline passed before all heatmaps were there")
                found.append(self._explain(model, image, label, caller))
                if sum(map(len, found)) > self._max_bytes:
                    raise Exhausted(
                        f"the heatmaps of the first {len(found)} of {len(images)} images take more than "
                        f"{self._max_bytes} bytes: ask for those of fewer or smaller images a call"
                    )
        return found


def explainer_at(address: str) -> Explain:
    """What asks the explainer at `host:port` for a heatmap, as long as the caller waits and at most LONGEST_S."""
    stub = explainer_pb2_grpc.ExplainerServiceStub(from_environment(address))

    def explain(model: str, image: classifier_pb2.ImageSource, label: str, caller: Caller) -> bytes:
        request = explainer_pb2.ExplainRequest(model=model, image=image, label=label)
        remaining_s = caller.remaining_s()
        call = stub.Explain.future(request, timeout=LONGEST_S if remaining_s is None else remaining_s)
        if not caller.on_end(call.cancel):
            call.cancel()
        try:
            return call.result().heatmap
        except grpc.FutureCancelledError as error:
            raise Cancelled("the caller has gone") from error
        except grpc.RpcError as error:
            raise error_from_rpc(error) from error

    return explain
