"""The explainer's long-running work."""

from defectory.api.explainer.v1 import explainer_pb2 as pb
from defectory.job_settings.explaining import ExplainingMany
from defectory.job_settings.messages import read
from defectory.serving.manifests import reading_of
from defectory.serving.operations.context import JobContext
from defectory.storage.keys import check_output_prefix
from services.explainer.panels import Wanted, explain_manifest


def explain_images(request: pb.ExplainImagesRequest, job: JobContext) -> pb.ExplainImagesResponse:
    """Explain images of a manifest with every model named."""
    wanted = Wanted(
        models=list(request.models),
        manifest_uri=request.manifest_uri,
        output_prefix=check_output_prefix(request.output_prefix),
        split=request.split or "test",
        how=read(ExplainingMany, request),
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
