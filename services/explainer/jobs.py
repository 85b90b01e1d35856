"""The explainer's long-running work, and what its requests mean."""

from defectory.api.explainer.v1 import explainer_pb2 as pb
from defectory.errors import InvalidInput
from defectory.serving.manifests import reading_of
from defectory.serving.operations.context import JobContext
from defectory.storage.keys import check_output_prefix
from services.explainer.boxes import BoxRule
from services.explainer.methods import DEFAULT_METHOD
from services.explainer.panels import DEFAULT_LIMIT, Wanted, explain_manifest


def method_of(request: pb.ExplainRequest | pb.ExplainImagesRequest) -> str:
    """The method that a request asks for, by name."""
    return request.method or DEFAULT_METHOD


def rule_of(request: pb.ExplainRequest | pb.ExplainImagesRequest) -> BoxRule:
    """The rule that a request asks for; InvalidInput for one that there is not, or a value out of range."""
    if request.box_rule not in pb.BoxRule.values():
        right = f"use one of {', '.join(pb.BoxRule.keys()[1:])}"
        raise InvalidInput(f"box_rule {request.box_rule}: {right}", {"box_rule": right})
    name = pb.BoxRule.Name(request.box_rule or pb.BOX_RULE_SHARE).removeprefix("BOX_RULE_").lower()
    value = request.box_threshold if request.HasField("box_threshold") else None
    return BoxRule(name, value)  # type: ignore[arg-type]


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
