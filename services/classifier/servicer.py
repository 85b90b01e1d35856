"""ClassifierService over the domain: checks, starts, answers."""

import time

import grpc
from google.longrunning import operations_pb2

from defectory.alike import one_of
from defectory.api.classifier.v1 import classifier_pb2 as pb
from defectory.api.classifier.v1 import classifier_pb2_grpc
from defectory.datasets.manifest import check_manifest, read_manifest
from defectory.datasets.splits import SPLIT_NAMES
from defectory.errors import Corrupted, FailedPrecondition, InvalidInput, NotFound, Refused
from defectory.job_settings.classifier_training import FoldedCycles
from defectory.job_settings.memory import Memories
from defectory.job_settings.messages import read
from defectory.models import check_name, check_seed, list_models
from defectory.serving.caller import GrpcCaller
from defectory.serving.manifests import Manifests
from defectory.serving.messages import given
from defectory.serving.operations.supervisor import OperationSupervisor
from defectory.serving.pages import page
from defectory.storage.keys import check_output_prefix
from defectory.storage.store import ObjectStore
from services.classifier.architecture import check_labels
from services.classifier.card import KIND
from services.classifier.cards import read_card
from services.classifier.data import labels_to_calibrate_on
from services.classifier.exporting import FORMATS
from services.classifier.memory.check import check_memory
from services.classifier.messages import to_message
from services.classifier.roles import NO_ANSWERS
from services.classifier.serving.answering import Answering, Source
from services.classifier.serving.heatmaps import Heatmaps
from services.classifier.serving.messages import to_classifications
from services.classifier.target import check_target, parse_target
from services.classifier.training.check import check

JOBS = "services.classifier.jobs:"


class Answers:
    """What is answered at once."""

    def __init__(self, answering: Answering, heatmaps: Heatmaps | None) -> None:
        self._answering = answering
        self._heatmaps = heatmaps

    def classify(self, request: pb.ClassifyRequest, context: grpc.ServicerContext) -> pb.ClassifyResponse:
        """Classify the images of a request."""
        name, _, version = request.model.partition("/")
        heatmaps = self._heatmaps if request.heatmap else None
        if request.heatmap and heatmaps is None:
            raise FailedPrecondition(
                "heatmaps come from the explainer, and this classifier knows none: start it with --explainer-address "
                "(DEFECTORY_EXPLAINER_ADDRESS)"
            )
        if heatmaps is not None:
            heatmaps.check_count(len(request.images))
        sources = [Source(f"images[{i}]", image.content, image.uri) for i, image in enumerate(request.images)]
        caller = GrpcCaller(context)
        answer = self._answering.images(name, version, sources, caller)
        started = time.monotonic()
        card = answer.served.card
        answers = list(to_classifications(card, answer.decided))
        answer.served.lane.timings.encode_s.observe(time.monotonic() - started)
        if heatmaps is not None:
            shown = heatmaps.of(
                card.full_name, sources, [classification.decision for classification in answers], caller
            )
            for classification, heatmap in zip(answers, shown, strict=True):
                classification.heatmap = heatmap
        calibrated_on = card.calibration.validation.images
        return pb.ClassifyResponse(classifications=answers, model_version=card.version, calibrated_on=calibrated_on)


class ClassifierServicer(classifier_pb2_grpc.ClassifierServiceServicer):
    """All calls; those of another role are refused before they come here (roles.py)."""

    def __init__(
        self, store: ObjectStore, operations: OperationSupervisor, manifests: Manifests, answers: Answers | None
    ) -> None:
        """Without answers it classifies nothing."""
        self._store = store
        self._operations = operations
        self._manifests = manifests
        self._answers = answers

    def ListClassifiers(
        self, request: pb.ListClassifiersRequest, context: grpc.ServicerContext
    ) -> pb.ListClassifiersResponse:
        """A page of classifiers; one whose card cannot be read does not hide the others."""
        models, token = page(list_models(self._store, KIND), request.page_size, request.page_token)
        classifiers = []
        for name, version in GrpcCaller(context).each(models):
            try:
                classifiers.append(to_message(self._store, read_card(self._store, f"{name}/{version}")))
            except (Corrupted, NotFound, Refused):
                classifiers.append(pb.Classifier(name=name, version=version))
        return pb.ListClassifiersResponse(classifiers=classifiers, next_page_token=token)

    def GetClassifier(
        self, request: pb.GetClassifierRequest, context: grpc.ServicerContext
    ) -> pb.GetClassifierResponse:
        """One classifier's card."""
        return pb.GetClassifierResponse(classifier=to_message(self._store, read_card(self._store, request.model)))

    def Classify(self, request: pb.ClassifyRequest, context: grpc.ServicerContext) -> pb.ClassifyResponse:
        """Classify images at once."""
        if self._answers is None:
            raise FailedPrecondition(NO_ANSWERS)
        return self._answers.classify(request, context)

    def TrainClassifier(
        self, request: pb.TrainClassifierRequest, context: grpc.ServicerContext
    ) -> operations_pb2.Operation:
        """Check the request and start the training."""
        check_name(request.name)
        check_seed(request.seed)
        cycles = read(FoldedCycles, request)
        if cycles.folds > cycles.cycles:
            right = f"use at most as many as cycles, {cycles.cycles}, so that every image is left out once"
            raise InvalidInput(f"folds {cycles.folds}: {right}", {"folds": right})
        with self._manifests.read_for(context) as reading:
            labels, _ = check(read_manifest(self._store, request.manifest_uri, reading), given(request.settings))
        check_labels(labels, "manifest_uri")
        return self._operations.start(JOBS + "train_classifier", request)

    def EvaluateClassifier(
        self, request: pb.EvaluateClassifierRequest, context: grpc.ServicerContext
    ) -> operations_pb2.Operation:
        """Check the request and start the measurement."""
        read_card(self._store, request.model)
        self._check_manifest(request.manifest_uri, context)
        if request.split and request.split not in SPLIT_NAMES:
            right = one_of(request.split, SPLIT_NAMES)
            raise InvalidInput(f"split {request.split!r}: {right}", {"split": right})
        return self._operations.start(JOBS + "evaluate_classifier", request)

    def ScoreImages(self, request: pb.ScoreImagesRequest, context: grpc.ServicerContext) -> operations_pb2.Operation:
        """Check the request and start the scoring."""
        read_card(self._store, request.model)
        self._check_manifest(request.manifest_uri, context)
        check_output_prefix(request.output_prefix)
        return self._operations.start(JOBS + "score_images", request)

    def ScoreAnomalies(
        self, request: pb.ScoreAnomaliesRequest, context: grpc.ServicerContext
    ) -> operations_pb2.Operation:
        """Check the request and start the comparison."""
        check_seed(request.seed)
        read(Memories, request)
        check_output_prefix(request.output_prefix)
        with self._manifests.read_for(context) as reading:
            check_memory(read_manifest(self._store, request.manifest_uri, reading), request.splits,
                         given(request.settings))  # fmt: skip
        return self._operations.start(JOBS + "score_anomalies", request)

    def CalibrateClassifier(
        self, request: pb.CalibrateClassifierRequest, context: grpc.ServicerContext
    ) -> operations_pb2.Operation:
        """Check the request and start the calibration."""
        card = read_card(self._store, request.model)
        good, target = request.good_label or card.settings.good_label, parse_target(request.target)
        with self._manifests.read_for(context) as reading:
            validation = labels_to_calibrate_on(read_manifest(self._store, request.manifest_uri, reading))
        check_target(card.architecture.labels, good, target, validation)
        return self._operations.start(JOBS + "calibrate_classifier", request)

    def ExportClassifier(
        self, request: pb.ExportClassifierRequest, context: grpc.ServicerContext
    ) -> operations_pb2.Operation:
        """Check the request and start the export."""
        read_card(self._store, request.model)
        if request.format not in FORMATS:
            right = one_of(request.format, FORMATS)
            raise InvalidInput(f"format {request.format!r}: {right}", {"format": right})
        if request.manifest_uri:
            self._check_manifest(request.manifest_uri, context)
        return self._operations.start(JOBS + "export_classifier", request)

    def _check_manifest(self, uri: str, context: grpc.ServicerContext) -> None:
        with self._manifests.read_for(context) as reading:
            check_manifest(self._store, uri, reading)
