"""Steps of the two arms: train, evaluate and explain the classifier with and without synthetic images."""

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal

from defectory.errors import FailedPrecondition, WeightsMissing
from defectory.job_settings.messages import fill
from orchestrator.pipeline.settings import ClassifierSettings
from orchestrator.pipeline.step import Outputs, StepContext, StepInputs
from orchestrator.pipeline.synthetic_steps import labels_of, quota

Arm = Literal["baseline", "expanded"]
DATASET_STEP: Mapping[Arm, str] = {"baseline": "ingest", "expanded": "expanded-dataset"}
JUDGE_SEED = 1_000_000  # so that no cycle of the judge starts as one of the arms' cycles does
RANDOM_WARNING = (
    "NO IMAGENET WEIGHTS were found: both arms start from random weights. "
    "The comparison stays fair, but its figures are far from what pretrained weights give"
)

STARTER_WARNING = (
    "NO IMAGENET WEIGHTS were found: both arms start from the starter classifier, which learned from drawn parts and "
    "surfaces. Give ImageNet's with --weights FILE"
)


def steps_per_epoch(context: StepInputs) -> int:
    """Optimiser steps an epoch of both arms: as many as show the expanded training set, with full quotas, once."""
    settings = context.settings.classifier
    if settings.steps_per_epoch:
        return settings.steps_per_epoch
    real = sum(context.outputs["ingest"]["counts"].get("train", {}).values())
    synthetic = sum(quota(context, label) for label in labels_of(context))
    return math.ceil((real + synthetic) / settings.batch)


def train_inputs(arm: Arm) -> Callable[[StepInputs], Mapping[str, Any]]:
    """The images, the settings, and where the base starts: as the baseline started, for the expanded arm."""

    def inputs(context: StepInputs) -> Mapping[str, Any]:
        dataset = context.outputs[DATASET_STEP[arm]]
        start = {"wanted": context.settings.classifier.initial_weights, "file": context.weights}
        if arm == "expanded":
            start = {"as": context.outputs["baseline"]["initial_weights"], "file": context.weights}
        return {
            "dataset": dataset["content_hash"],
            "manifest": dataset["manifest_uri"],
            "settings": context.settings.classifier.model_dump(
                exclude={"steps_per_epoch", "initial_weights", "at_once"}
            ),
            "steps_per_epoch": steps_per_epoch(context),
            "start": start,
            "seed": context.settings.seed,
        }

    return inputs


def train(arm: Arm) -> Callable[[StepContext], Outputs]:
    """Train an arm's classifier."""

    def work(context: StepContext) -> Outputs:
        start: str = context.settings.classifier.initial_weights
        if arm == "expanded":
            start = context.outputs["baseline"]["initial_weights"]
        try:
            classifier = _train(context, arm, start)
        except WeightsMissing as error:
            if arm == "expanded":
                raise
            if not context.settings.allow_random_weights:
                raise WeightsMissing(f"{error}; or go on without them: --allow-random-weights") from error
            start = "random"
            classifier = _train(context, arm, start)
        if arm == "expanded":
            check_start(context, classifier)
        start = began_from(classifier, start)
        if start == "starter" and arm == "baseline" and context.settings.classifier.initial_weights == "imagenet":
            context.warn(STARTER_WARNING)
        if start == "random" and context.settings.classifier.initial_weights == "imagenet":
            context.warn(RANDOM_WARNING)
        return {
            "name": classifier.name,
            "version": classifier.version,
            "metrics_uri": classifier.metrics_uri,
            "card_uri": classifier.card_uri,
            "weights_sha256": classifier.weights_sha256,
            "initial_weights": start,
            "steps_per_epoch": steps_per_epoch(context),
        }

    return work


def began_from(classifier: Any, asked: str) -> str:
    """Where a classifier's base started; services that are older do not say."""
    return str(classifier.initial_weights or asked)


def check_start(context: StepInputs, classifier: Any) -> None:
    """FailedPrecondition where a classifier did not start as the baseline did: then nothing can be compared."""
    baseline = context.outputs["baseline"]["initial_weights"]
    if began_from(classifier, baseline) != baseline:
        raise FailedPrecondition(
            f"{classifier.name}/{classifier.version} started from {classifier.initial_weights} weights, the baseline "
            f"from {baseline}: weights have come or gone in between; name them with --weights and run again with "
            "--from baseline"
        )


def _train(context: StepContext, arm: Arm, initial_weights: str) -> Any:
    from defectory.api.classifier.v1 import classifier_pb2

    settings = context.settings.classifier
    request = classifier_pb2.TrainClassifierRequest(
        request_id=context.request_id(f"{initial_weights}, {settings.at_once} at once"),
        manifest_uri=context.outputs[DATASET_STEP[arm]]["manifest_uri"],
        name=context.name(arm),
        settings=equal_steps(training_settings(settings, steps_per_epoch(context), initial_weights)),
        cycles=settings.cycles,
        seed=context.settings.seed,
        at_once=settings.at_once,
    )
    return context.services.operate("classifier", "TrainClassifier", request, context.on_report).classifier


def equal_steps(message: Any) -> Any:
    """Settings under which both arms, and the judge, take equally many steps: no cycle ends early."""
    message.patience = 0
    return message


def judge_inputs(context: StepInputs) -> Mapping[str, Any]:
    """What the baseline is trained from, the number of cycles, and where the baseline's base started."""
    start = {"as": context.outputs["baseline"]["initial_weights"], "file": context.weights}
    folds = context.settings.filter.judge_cycles
    return {**train_inputs("baseline")(context), "start": start, "folds": folds}


def judge(context: StepContext) -> Outputs:
    """Train who judges synthetic images: as the baseline, but no cycle knows all real images, and none is compared."""
    from defectory.api.classifier.v1 import classifier_pb2

    start, cycles = context.outputs["baseline"]["initial_weights"], context.settings.filter.judge_cycles
    at_once = context.settings.classifier.at_once
    request = classifier_pb2.TrainClassifierRequest(
        request_id=context.request_id(f"{start}, {at_once} at once"),
        manifest_uri=context.outputs["ingest"]["manifest_uri"],
        name=context.name("judge"),
        settings=equal_steps(training_settings(context.settings.classifier, steps_per_epoch(context), start)),
        cycles=cycles,
        seed=context.settings.seed + JUDGE_SEED,
        folds=cycles,
        at_once=at_once,
    )
    made = context.services.operate("classifier", "TrainClassifier", request, context.on_report).classifier
    check_start(context, made)
    return {"name": made.name, "version": made.version, "weights_sha256": made.weights_sha256, "cycles": cycles}


def training_settings(settings: ClassifierSettings, steps: int, initial_weights: str) -> Any:
    """The message of the settings."""
    from defectory.api.classifier.v1 import classifier_pb2

    chosen = settings.model_copy(update={"steps_per_epoch": steps, "initial_weights": initial_weights})
    return fill(classifier_pb2.TrainingSettings(), chosen)


def evaluate_inputs(arm: Arm) -> Callable[[StepInputs], Mapping[str, Any]]:
    """The model and the test images, which are the same for both arms."""

    def inputs(context: StepInputs) -> Mapping[str, Any]:
        return {
            "model": {k: context.outputs[arm][k] for k in ("name", "version", "weights_sha256")},
            "test": context.outputs["ingest"]["content_hash"],
            "manifest": context.outputs["ingest"]["manifest_uri"],
        }

    return inputs


def evaluate(arm: Arm) -> Callable[[StepContext], Outputs]:
    """Measure an arm's classifier on the test split."""

    def work(context: StepContext) -> Outputs:
        from defectory.api.classifier.v1 import classifier_pb2

        request = classifier_pb2.EvaluateClassifierRequest(
            request_id=context.request_id(),
            model=model_of(context, arm),
            manifest_uri=context.outputs["ingest"]["manifest_uri"],
            split="test",
        )
        response = context.services.operate("classifier", "EvaluateClassifier", request, context.on_report)
        return {"evaluation_uri": response.evaluation_uri, "metrics": dict(response.metrics)}

    return work


def explain_inputs(context: StepInputs) -> Mapping[str, Any]:
    """Both models, the test images, and how many of them."""
    return {
        "models": [{k: context.outputs[arm][k] for k in ("name", "version", "weights_sha256")} for arm in DATASET_STEP],
        "test": context.outputs["ingest"]["content_hash"],
        "manifest": context.outputs["ingest"]["manifest_uri"],
        "settings": context.settings.explain.model_dump(),
    }


def explain(context: StepContext) -> Outputs:
    """Show on the same test images what each arm's classifier looked at."""
    from defectory.api.explainer.v1 import explainer_pb2

    request = explainer_pb2.ExplainImagesRequest(
        request_id=context.request_id(),
        models=[model_of(context, "baseline"), model_of(context, "expanded")],
        manifest_uri=context.outputs["ingest"]["manifest_uri"],
        split="test",
        output_prefix=f"runs/{context.run}/explain",
    )
    request = fill(request, context.settings.explain)
    response = context.services.operate("explainer", "ExplainImages", request, context.on_report)
    return {
        "explanations_uri": response.explanations_uri,
        "summary_uri": response.summary_uri,
        "sheet_uri": response.sheet_uri,
        "count": response.count,
    }


def model_of(context: StepInputs, arm: Arm) -> str:
    """ "name/version" of an arm's classifier."""
    return f"{context.outputs[arm]['name']}/{context.outputs[arm]['version']}"
