"""Steps that train classifiers: every arm's (train, evaluate, explain) and the judge of synthetic images."""

import math
from collections.abc import Callable

from pydantic import JsonValue

from defectory.api.classifier.v1 import classifier_pb2
from defectory.api.explainer.v1 import explainer_pb2
from defectory.caution import caution_of
from defectory.datasets.manifest_line import Split
from defectory.errors import FailedPrecondition, WeightsMissing
from defectory.job_settings.messages import fill
from orchestrator.pipeline.arms import ArmSettings
from orchestrator.pipeline.base_warnings import RANDOM_WARNING, STARTER_WARNING
from orchestrator.pipeline.methods import EVALUATE_CLASSIFIER, EXPLAIN_IMAGES, TRAIN_CLASSIFIER
from orchestrator.pipeline.outputs import (
    INGEST,
    Dataset,
    EvaluatedArm,
    Explained,
    TrainedArm,
    TrainedJudge,
    dataset_of,
    trained,
)
from orchestrator.pipeline.settings import ClassifierSettings
from orchestrator.pipeline.step import Inputs, StepContext, StepInputs
from orchestrator.pipeline.synthetic_labels import labels_of, quota

JUDGE_SEED = 1_000_000  # so that no cycle of the judge starts as one of the arms' cycles does
BESIDE = {"at_once", "steps_per_epoch", "initial_weights"}  # settings that an input of their own, or none, stands for


def steps_per_epoch(context: StepInputs) -> int:
    """Optimiser steps an epoch of every arm: as many as show the largest training set, with full quotas, once."""
    settings = context.settings.classifier
    if settings.steps_per_epoch:
        return settings.steps_per_epoch
    real = context.outputs[INGEST].counts.get("train", {})
    largest = sum(real.values())
    if any(arm.takes_synthetic for arm in context.settings.arms):
        largest += sum(quota(context, label) for label in labels_of(context))
    for arm in context.settings.arms:
        if arm.takes_edited:
            largest = max(largest, sum(real.values()) + (arm.edits or context.settings.edits).count)
    if any(arm.trains_on == "balanced" for arm in context.settings.arms):
        largest = max(largest, len(real) * max(real.values()))
    return math.ceil(largest / settings.batch)


def train_inputs(arm: ArmSettings) -> Callable[[StepInputs], Inputs]:
    """The images, the settings, and where the base starts: as the first arm's did, unless it has a start of its own."""

    def inputs(context: StepInputs) -> Inputs:
        if _leads(context, arm):
            wanted = arm.classifier_settings(context.settings.classifier).initial_weights
            return {**_trained_from(context, arm), "start": {"wanted": wanted, "file": context.weights}}
        return {**_trained_from(context, arm), "start": {"as": first_start(context), "file": context.weights}}

    return inputs


def _trained_from(context: StepInputs, arm: ArmSettings) -> Inputs:
    settings = arm.classifier_settings(context.settings.classifier)
    dataset = _dataset(context, arm)
    return {
        "dataset": dataset.content_hash,
        "manifest": dataset.manifest_uri,
        "settings": _what_decides(settings),
        "steps_per_epoch": settings.steps_per_epoch or steps_per_epoch(context),
        "seed": context.settings.seed,
    }


def _what_decides(settings: ClassifierSettings) -> dict[str, JsonValue]:
    """A classifier's settings; without those that are newer than finished runs where nobody says them."""
    newer = {"pretraining"} if settings.pretraining is None else set()
    return settings.model_dump(exclude=BESIDE | newer)


def _dataset(context: StepInputs, arm: ArmSettings) -> Dataset:
    """What an arm is trained on."""
    return context.outputs[dataset_of(arm.name)] if arm.has_own_dataset else context.outputs[INGEST]


def _leads(context: StepInputs, arm: ArmSettings) -> bool:
    """Whether an arm's base starts where its settings say; the other arms' start where the first one's did."""
    return arm == context.settings.arms[0] or arm.has_own_start


def first_start(context: StepInputs) -> str:
    """Where the first arm's base started."""
    return context.outputs[trained(context.settings.arms[0].name)].initial_weights


def train(arm: ArmSettings) -> Callable[[StepContext], TrainedArm]:
    """Train an arm's classifier."""

    def work(context: StepContext) -> TrainedArm:
        leads = _leads(context, arm)
        settings = arm.classifier_settings(context.settings.classifier)
        start: str = settings.initial_weights if leads else first_start(context)
        try:
            classifier = _train(context, arm, settings, start)
        except WeightsMissing as error:
            if not leads:
                raise
            if not context.settings.allow_random_weights:
                raise WeightsMissing(f"{error}; or go on without them: --allow-random-weights") from error
            start = "random"
            classifier = _train(context, arm, settings, start)
        if not leads:
            check_start(context, classifier)
        start = began_from(classifier, start)
        if leads and settings.initial_weights == "imagenet" and start != "imagenet":
            context.warn(STARTER_WARNING if start == "starter" else RANDOM_WARNING)
        validation = sum(_dataset(context, arm).counts.get("validation", {}).values())
        if leads and validation and (caution := caution_of(validation)):  # all arms are fitted on the same images
            context.warn(caution)
        return TrainedArm(
            name=classifier.name,
            version=classifier.version,
            metrics_uri=classifier.metrics_uri,
            card_uri=classifier.card_uri,
            weights_sha256=classifier.weights_sha256,
            initial_weights=start,
            steps_per_epoch=settings.steps_per_epoch or steps_per_epoch(context),
        )

    return work


def began_from(classifier: classifier_pb2.Classifier, asked: str) -> str:
    """Where a classifier's base started; services that are older do not say."""
    return classifier.initial_weights or asked


def check_start(context: StepInputs, classifier: classifier_pb2.Classifier) -> None:
    """FailedPrecondition where a classifier did not start as the first arm did: then nothing can be compared."""
    first, start = context.settings.arms[0].name, first_start(context)
    if began_from(classifier, start) != start:
        raise FailedPrecondition(
            f"{classifier.name}/{classifier.version} started from {classifier.initial_weights} weights, the arm "
            f"{first} from {start}: weights have come or gone in between; name them with --weights and run again with "
            f"--from {first}"
        )


def _train(
    context: StepContext, arm: ArmSettings, settings: ClassifierSettings, initial_weights: str
) -> classifier_pb2.Classifier:
    steps = settings.steps_per_epoch or steps_per_epoch(context)
    request = classifier_pb2.TrainClassifierRequest(
        request_id=context.request_id(f"{initial_weights}, {settings.at_once} at once"),
        manifest_uri=_dataset(context, arm).manifest_uri,
        name=context.name(arm.name),
        settings=equal_steps(training_settings(settings, steps, initial_weights)),
        cycles=settings.cycles,
        seed=context.settings.seed,
        at_once=settings.at_once,
    )
    return context.services.operate(TRAIN_CLASSIFIER, request, context.on_report).classifier


def equal_steps(message: classifier_pb2.TrainingSettings) -> classifier_pb2.TrainingSettings:
    """Settings under which all arms, and the judge, take equally many steps: no cycle ends early."""
    message.patience = 0
    return message


def judge_inputs(context: StepInputs) -> Inputs:
    """The real images, the pipeline's settings, the number of cycles, and where the first arm's base started."""
    return {
        "dataset": context.outputs[INGEST].content_hash,
        "manifest": context.outputs[INGEST].manifest_uri,
        "settings": _what_decides(judges_recipe(context)),
        "steps_per_epoch": steps_per_epoch(context),
        "seed": context.settings.seed,
        "start": {"as": first_start(context), "file": context.weights},
        "folds": context.settings.filter.judge_cycles,
    }


def judge(context: StepContext) -> TrainedJudge:
    """Train who judges synthetic images: by the pipeline's settings, but no cycle knows all real images.

    It is no arm, and never compared. What it judges has no finer detail than the generators make, and neither has what
    it learns from.
    """
    start, cycles = first_start(context), context.settings.filter.judge_cycles
    at_once = context.settings.classifier.at_once
    request = classifier_pb2.TrainClassifierRequest(
        request_id=context.request_id(f"{start}, {at_once} at once"),
        manifest_uri=context.outputs[INGEST].manifest_uri,
        name=context.name("judge"),
        settings=equal_steps(training_settings(judges_recipe(context), steps_per_epoch(context), start)),
        cycles=cycles,
        seed=context.settings.seed + JUDGE_SEED,
        folds=cycles,
        at_once=at_once,
    )
    classifier = context.services.operate(TRAIN_CLASSIFIER, request, context.on_report).classifier
    check_start(context, classifier)
    return TrainedJudge(
        name=classifier.name, version=classifier.version, weights_sha256=classifier.weights_sha256, cycles=cycles
    )


def judges_recipe(context: StepInputs) -> ClassifierSettings:
    """The pipeline's classifier, but that it sees photographs as a generator of whole parts does."""
    settings = context.settings.classifier
    if context.settings.generator.view == "defect":  # what it judges are photographs of their own size
        return settings
    square_px = settings.square_px or context.settings.generator.resolution_px
    return settings.model_copy(update={"square_px": square_px})


def training_settings(
    settings: ClassifierSettings, steps: int, initial_weights: str
) -> classifier_pb2.TrainingSettings:
    """The message of the settings."""
    from defectory.api.classifier.v1 import classifier_pb2

    chosen = settings.model_copy(update={"steps_per_epoch": steps, "initial_weights": initial_weights})
    return fill(classifier_pb2.TrainingSettings(), chosen)


def evaluate_inputs(arm: ArmSettings, split: Split = "test") -> Callable[[StepInputs], Inputs]:
    """The model and the images of the split, which are the same for every arm."""

    def inputs(context: StepInputs) -> Inputs:
        return {
            "model": context.outputs[trained(arm.name)].identity(),
            split: context.outputs[INGEST].content_hash,
            "manifest": context.outputs[INGEST].manifest_uri,
        }

    return inputs


def evaluate(arm: ArmSettings, split: Split = "test") -> Callable[[StepContext], EvaluatedArm]:
    """Measure an arm's classifier on a split."""

    def work(context: StepContext) -> EvaluatedArm:
        request = classifier_pb2.EvaluateClassifierRequest(
            request_id=context.request_id(),
            model=context.outputs[trained(arm.name)].full_name,
            manifest_uri=context.outputs[INGEST].manifest_uri,
            split=split,
        )
        response = context.services.operate(EVALUATE_CLASSIFIER, request, context.on_report)
        return EvaluatedArm(evaluation_uri=response.evaluation_uri, metrics=dict(response.metrics))

    return work


def explain_inputs(context: StepInputs) -> Inputs:
    """All arms' models, the test images, and how many of them."""
    return {
        "models": [context.outputs[trained(arm.name)].identity() for arm in context.settings.arms],
        "test": context.outputs[INGEST].content_hash,
        "manifest": context.outputs[INGEST].manifest_uri,
        "settings": context.settings.explain.model_dump(),
    }


def explain(context: StepContext) -> Explained:
    """Show on the same test images what each arm's classifier looked at."""

    request = explainer_pb2.ExplainImagesRequest(
        request_id=context.request_id(),
        models=[context.outputs[trained(arm.name)].full_name for arm in context.settings.arms],
        manifest_uri=context.outputs[INGEST].manifest_uri,
        split="test",
        output_prefix=f"runs/{context.run}/explain",
    )
    request = fill(request, context.settings.explain)
    response = context.services.operate(EXPLAIN_IMAGES, request, context.on_report)
    return Explained(
        explanations_uri=response.explanations_uri,
        summary_uri=response.summary_uri,
        sheet_uri=response.sheet_uri,
        count=response.count,
    )
