"""The classifier's long-running work: messages in, messages out, the domain between."""

from collections.abc import Mapping

from defectory.api.classifier.v1 import classifier_pb2 as pb
from defectory.job_settings.classifier_training import FoldedCycles
from defectory.job_settings.memory import Memories
from defectory.job_settings.messages import read
from defectory.serving.manifests import reading_of
from defectory.serving.messages import given
from defectory.serving.operations.context import JobContext
from defectory.storage.keys import check_output_prefix
from services.classifier import evaluation, recalibration, scoring
from services.classifier.exporting import export
from services.classifier.memory import anomalies
from services.classifier.messages import to_message
from services.classifier.training import run


def train_classifier(request: pb.TrainClassifierRequest, job: JobContext) -> pb.TrainClassifierResponse:
    """Train a classifier in several cycles."""

    def report(stage: str, done: int, total: int, values: Mapping[str, float]) -> None:
        job.report(stage, done, total, "epochs", values=values)

    card = run.train(
        job.store,
        job.operation_id,
        request.name,
        request.manifest_uri,
        given(request.settings),
        cycles=read(FoldedCycles, request),
        seed=request.seed,
        sources=job.settings,
        report=report,
        reading=reading_of(job),
    )
    return pb.TrainClassifierResponse(classifier=to_message(job.store, card))


def evaluate_classifier(request: pb.EvaluateClassifierRequest, job: JobContext) -> pb.EvaluateClassifierResponse:
    """Measure a classifier on one split."""

    def report(stage: str, done: int, total: int) -> None:
        job.report(stage, done, total, "images" if stage.startswith("reading") else "cycles")

    uri, metrics = evaluation.evaluate(
        job.store,
        job.operation_id,
        request.model,
        request.manifest_uri,
        request.split or "test",
        report,
        reading_of(job),
    )
    return pb.EvaluateClassifierResponse(evaluation_uri=uri, metrics=metrics)


def calibrate_classifier(request: pb.CalibrateClassifierRequest, job: JobContext) -> pb.CalibrateClassifierResponse:
    """Give a classifier a new calibration and operating point."""
    card = recalibration.recalibrate(
        job.store,
        job.operation_id,
        request.model,
        request.manifest_uri,
        request.good_label,
        request.target,
        lambda stage, done, total: job.report(stage, done, total, "images"),
        reading_of(job),
    )
    return pb.CalibrateClassifierResponse(classifier=to_message(job.store, card))


def export_classifier(request: pb.ExportClassifierRequest, job: JobContext) -> pb.ExportClassifierResponse:
    """Write a classifier in a format of other software."""
    exported = export.export(
        job.store,
        request.model,
        request.format,
        request.manifest_uri,
        lambda stage, done, total: job.report(stage, done, total, "images"),
        reading_of(job),
    )
    return pb.ExportClassifierResponse(
        uri=exported.uri,
        files=exported.files,
        images=exported.check.images,
        accuracy=exported.check.accuracy,
        exported_accuracy=exported.check.exported_accuracy,
        agreement=exported.check.agreement,
        max_difference=exported.check.max_difference,
        agreements=exported.check.agreements,
        decision_agreement=exported.check.decision_agreement,
        differs=not exported.check.sound,
    )


def score_anomalies(request: pb.ScoreAnomaliesRequest, job: JobContext) -> pb.ScoreAnomaliesResponse:
    """Score the images of splits by their distance to good ones."""
    uris = anomalies.score(
        job.store,
        request.manifest_uri,
        request.splits,
        given(request.settings),
        read(Memories, request),
        output_prefix=check_output_prefix(request.output_prefix),
        seed=request.seed,
        sources=job.settings,
        report=lambda stage, done, total: job.report(stage, done, total, "images"),
        reading=reading_of(job),
    )
    return pb.ScoreAnomaliesResponse(evaluation_uris=uris)


def score_images(request: pb.ScoreImagesRequest, job: JobContext) -> pb.ScoreImagesResponse:
    """Score every image of a manifest."""

    scores, embeddings, count = scoring.score(
        job.store,
        request.model,
        request.manifest_uri,
        check_output_prefix(request.output_prefix),
        lambda stage, done, total: job.report(stage, done, total, "images"),
        reading_of(job),
    )
    return pb.ScoreImagesResponse(scores_uri=scores, embeddings_uri=embeddings, count=count)
