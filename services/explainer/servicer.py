"""ExplainerService over the domain."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import grpc
from google.longrunning import operations_pb2

from defectory.api.explainer.v1 import explainer_pb2 as pb
from defectory.api.explainer.v1 import explainer_pb2_grpc
from defectory.errors import InvalidInput
from defectory.job_settings.explaining import Explaining, ExplainingMany
from defectory.job_settings.messages import read
from defectory.memory import memory_for
from defectory.models import resolve
from defectory.serving.admission import Admission
from defectory.serving.caller import GrpcCaller
from defectory.serving.operations.supervisor import OperationSupervisor
from defectory.storage.fetching import fetched
from defectory.storage.keys import check_output_prefix
from defectory.storage.store import ObjectStore
from services.classifier.card import KIND
from services.explainer.boxes import BoxRule, rule_of
from services.explainer.loaded import Loaded
from services.explainer.overlay import heatmap_png
from services.explainer.panel import panel_png
from services.explainer.picture import megapixels, size_in_words

if TYPE_CHECKING:
    from services.explainer.explanation import Explainer

MEGAPIXELS = 64  # inside at once, or one image of more: a pixel takes up to 12 bytes, all together some 800 MB


class ExplainerServicer(explainer_pb2_grpc.ExplainerServiceServicer):
    """Explains one image at once, or many as an operation."""

    def __init__(self, store: ObjectStore, operations: OperationSupervisor) -> None:
        self._store = store
        self._operations = operations
        self._admission = Admission(MEGAPIXELS, "megapixels")
        self._loaded = Loaded(store)

    def Explain(self, request: pb.ExplainRequest, context: grpc.ServicerContext) -> pb.ExplainResponse:
        """Explain one image."""
        how = read(Explaining, request)
        rule, caller = rule_of(how), GrpcCaller(context)
        caller.check()  # it may have stood in line behind others
        explainer = self._loaded.get(request.model, how.method, caller.remaining_s)
        labels = [request.label] if request.label else []
        for label in labels:
            explainer.check_label(label)
        source = request.image
        content = fetched(self._store, source.uri, "image") if source.uri else source.content
        try:
            with self._admission.admitted(megapixels(content)), memory_for(f"image, {size_in_words(content)}"):
                caller.check()  # the model may have had to be loaded
                return self._answer(explainer, content, labels, rule)
        except InvalidInput as error:
            raise InvalidInput(f"image: {error}", {"image": str(error)}) from error

    def _answer(
        self, explainer: "Explainer", content: bytes, labels: Sequence[str], rule: BoxRule
    ) -> pb.ExplainResponse:
        explanation = next(explainer.explain([explainer.read(content)], labels, rule))
        shown = explanation.probabilities[explanation.predicted]
        rows, columns = explainer.cells
        caption = f"{explainer.method}, {explanation.label} ({shown:.1%} {explanation.predicted})"
        return pb.ExplainResponse(
            predicted_label=explanation.predicted,
            probabilities=explanation.probabilities,
            label=explanation.label,
            heatmap=heatmap_png(explanation.heatmap),
            overlay=panel_png(explanation, caption),
            boxes=[pb.Box(**vars(box)) for box in explanation.boxes],
            background=explanation.background,
            on_background=explanation.on_background,
            heat_rows=rows,
            heat_columns=columns,
            unclear=explanation.unclear,
        )

    def ExplainImages(
        self, request: pb.ExplainImagesRequest, context: grpc.ServicerContext
    ) -> operations_pb2.Operation:
        """Check the request and start."""
        if not request.models:
            raise InvalidInput("models: name at least one", {"models": "name at least one"})
        rule_of(read(ExplainingMany, request))
        for model in GrpcCaller(context).each(request.models):
            resolve(self._store, KIND, model)
        self._store.head(self._store.key(request.manifest_uri))
        check_output_prefix(request.output_prefix)
        return self._operations.start("services.explainer.jobs:explain_images", request)
