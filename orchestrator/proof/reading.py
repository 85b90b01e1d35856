"""From what the classifier service wrote of a fold's arms to what the statistics read."""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from defectory.datasets.manifest import read_manifest
from defectory.errors import Corrupted
from defectory.settings import reading_from_environment
from defectory.storage.store import ObjectStore
from orchestrator.pipeline.arms import ArmSettings
from orchestrator.pipeline.outputs import Outputs, dataset_of
from orchestrator.proof.keys import evaluation_uri, folds_of, prefix_of
from orchestrator.proof.operating_point import decided_at, for_cost, for_macro_f1
from orchestrator.proof.outcomes import ArmOutcome, FoldOutcome
from orchestrator.proof.spec import ExperimentSpec
from orchestrator.report.documents import EvaluatedImage, Evaluation, read_document


def read_arms(store: ObjectStore, spec: ExperimentSpec, outputs: Outputs) -> list[ArmOutcome]:
    """Every arm over all folds.

    Raises:
        Corrupted: an evaluation lacks the label of good parts. NotFound: one was deleted.
    """
    folds: dict[str, list[FoldOutcome]] = {arm.name: [] for arm in spec.arms}
    for number, key in folds_of(spec):
        lines = read_manifest(store, outputs[key].manifest_uri, reading_from_environment())
        kinds = {line.file.sha256: line.kind or line.label for line in lines}
        for arm in spec.arms:
            on_validation = read_document(store, evaluation_uri(outputs, number, arm, "validation"), Evaluation)
            if spec.judged_on == "validation":
                folds[arm.name].append(trial_outcome(on_validation, kinds, spec))
            else:
                on_test = read_document(store, evaluation_uri(outputs, number, arm, "test"), Evaluation)
                folds[arm.name].append(fold_outcome(on_validation, on_test, kinds, spec))
    return [ArmOutcome(arm.name, folds[arm.name], _lacking(arm, spec, outputs)) for arm in spec.arms]


def _lacking(arm: ArmSettings, spec: ExperimentSpec, outputs: Outputs) -> dict[int, dict[str, str]]:
    """Fold -> what an arm on made images lacked there -> why."""
    if not arm.takes_made:
        return {}
    datasets = {number: outputs.below(prefix_of(number))[dataset_of(arm.name)] for number, _ in folds_of(spec)}
    return {number: dataset.lacks for number, dataset in datasets.items() if dataset.lacks}


def fold_outcome(
    on_validation: Evaluation, on_test: Evaluation, kinds: Mapping[str, str], spec: ExperimentSpec
) -> FoldOutcome:
    """One arm in one fold. Each classifier gets its thresholds from validation; the test has no part in them.

    Args:
        kinds: sha256 -> kind of defect.
    """
    good = spec.good
    seen, _ = _answers(on_validation, good)
    answers, images = _answers(on_test, good)
    decided, rejected = [], []
    for validation, test in zip(seen.of_classifiers(), answers.of_classifiers(), strict=True):
        threshold = for_macro_f1(seen.truth, *validation)
        decided.append(decided_at(threshold, *test))
        rejected.append(test[0] >= for_cost(seen.truth, validation[0], spec.costs))
    return FoldOutcome(
        truth=answers.truth,
        group=np.unique([image.part for image in images], return_inverse=True)[1],
        decided=np.array(decided),
        score=answers.score,
        rejected=np.array(rejected),
        most_probable=answers.probabilities.argmax(axis=2),
        kind=np.array([kinds[image.sha256] if image.label != good else "" for image in images]),
    )


def trial_outcome(on_validation: Evaluation, kinds: Mapping[str, str], spec: ExperimentSpec) -> FoldOutcome:
    """One arm in one fold, judged on validation: half of the parts get their thresholds from the other half."""
    parts = sorted({image.part for image in on_validation.images}, key=_drawn)
    halves: list[FoldOutcome] = []
    for side in (0, 1):
        own = set(parts[side::2])
        measured, chosen_on = (
            on_validation.model_copy(update={"images": [x for x in on_validation.images if (x.part in own) == inside]})
            for inside in (True, False)
        )
        halves.append(fold_outcome(chosen_on, measured, kinds, spec))
    first, second = halves
    across = ("decided", "score", "rejected", "most_probable")
    return FoldOutcome(
        truth=np.concatenate([first.truth, second.truth]),
        group=np.concatenate([first.group, second.group + first.groups]),
        kind=np.concatenate([first.kind, second.kind]),
        **{name: np.concatenate([getattr(first, name), getattr(second, name)], axis=1) for name in across},
    )


def _drawn(part: str) -> str:
    return hashlib.sha256(part.encode()).hexdigest()


class _Answers:
    """Probabilities (S, N, K), the label of good parts first, and the truth (N,)."""

    def __init__(self, probabilities: np.ndarray, truth: np.ndarray) -> None:
        self.probabilities = probabilities
        self.truth = truth
        self.score = 1 - probabilities[:, :, 0]
        self.defect = 1 + probabilities[:, :, 1:].argmax(axis=2)

    def of_classifiers(self) -> Sequence[tuple[np.ndarray, np.ndarray]]:
        """(probability of a defect, most probable defect), (N,) each, of every classifier."""
        return list(zip(self.score, self.defect, strict=True))


def _answers(evaluation: Evaluation, good: str) -> tuple[_Answers, list[EvaluatedImage]]:
    """What all classifiers answered on the split's own images; copies by which it was grown show nothing new."""
    if good not in evaluation.labels or len(evaluation.labels) < 2:
        right = f"say which of its labels, {', '.join(evaluation.labels)}, is that of good parts"
        raise Corrupted(f"an evaluation has no label {good!r} of good parts beside defects: {right}")
    labels = [good, *(label for label in evaluation.labels if label != good)]
    order = [evaluation.labels.index(label) for label in labels]
    images = [image for image in evaluation.images if not image.augmentation]
    probabilities = np.array([image.probabilities for image in images]).transpose(1, 0, 2)[:, :, order]
    return _Answers(probabilities, np.array([labels.index(image.label) for image in images])), images
