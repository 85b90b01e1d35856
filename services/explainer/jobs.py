"""The explainer's long-running work."""

from defectory.api.explainer.v1 import explainer_pb2 as pb
from defectory.serving.operations.context import JobContext
from services.explainer.boxes import DEFAULT_THRESHOLD
from services.explainer.panels import DEFAULT_LIMIT, explain_manifest


def explain_images(request: pb.ExplainImagesRequest, job: JobContext) -> pb.ExplainImagesResponse:
    """Explain images of a manifest with every model named."""
    uri, count = explain_manifest(
        job.store,
        list(request.models),
        request.manifest_uri,
        request.split or "test",
        request.limit or DEFAULT_LIMIT,
        request.output_prefix.strip("/"),
        request.box_threshold if request.HasField("box_threshold") else DEFAULT_THRESHOLD,
        lambda done, total: job.report("explaining", done, total, "images"),
    )
    return pb.ExplainImagesResponse(explanations_uri=uri, count=count)
