"""The explainer's long-running work."""

from defectory.api.explainer.v1 import explainer_pb2 as pb
from defectory.serving.manifests import reading_of
from defectory.serving.operations.context import JobContext
from defectory.storage.keys import check_output_prefix
from services.explainer.choices import DEFAULT_LIMIT
from services.explainer.panels import Wanted, explain_manifest
from services.explainer.requests import method_of, rule_of


def explain_images(request: pb.ExplainImagesRequest, job: JobContext) -> pb.ExplainImagesResponse:
    """Explain images of a manifest with every model named."""
    wanted = Wanted(
        models=list(request.models),
        manifest_uri=request.manifest_uri,
        output_prefix=check_output_prefix(request.output_prefix),
        split=request.split or "test",
        limit=request.limit or DEFAULT_LIMIT,
        method=method_of(request),
        rule=rule_of(request),
    )
    written = explain_manifest(
        job.store, wanted, lambda done, total: job.report("explaining", done, total, "images"), reading_of(job)
    )
    return pb.ExplainImagesResponse(
        explanations_uri=written.explanations_uri,
        summary_uri=written.summary_uri,
        sheet_uri=written.sheet_uri,
        count=written.count,
    )
