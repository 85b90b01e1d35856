"""The filter's long-running work."""

from defectory.api.filter.v1 import filter_pb2 as pb
from defectory.job_settings.filtering import Filtering
from defectory.job_settings.messages import read
from defectory.models import resolve
from defectory.serving.manifests import reading_of
from defectory.serving.operations.context import JobContext
from services.filter.judge_client import score_manifest
from services.filter.judge_lineage import KIND, doubts
from services.filter.judging import judge_manifest
from services.filter.policies import Policy
from services.filter.scores import Scores


def policy_of(request: pb.FilterImagesRequest) -> Policy:
    """The policy that a request asks for; InvalidInput for thresholds out of range."""
    return Policy(read(Filtering, request))


def filter_images(request: pb.FilterImagesRequest, job: JobContext) -> pb.FilterImagesResponse:
    """Give every image of a manifest its verdict."""
    judge = "/".join(resolve(job.store, KIND, request.judge_model))  # once: a label may move while the job runs

    reading, policy = reading_of(job), policy_of(request)

    def report(stage: str, done: int, total: int) -> None:
        job.report(stage, done, total, "images")

    def score(uri: str) -> Scores:
        return score_manifest(job.store, job.settings["classifier_address"], judge, uri, report)

    judgement = judge_manifest(
        job.store,
        request.manifest_uri,
        request.real_manifest_uri,
        list(request.accepted_manifest_uris),
        policy,
        policy.rule.novelty_gate,
        request.dataset,
        score,
        lambda real: doubts(job.store, judge, real, reading),
        report,
        reading,
    )
    return pb.FilterImagesResponse(
        manifest_uri=judgement.manifest_uri,
        curve_uri=judgement.curve_uri,
        verdicts=judgement.verdicts,
        reasons=judgement.reasons,
        warnings=judgement.warnings,
    )
