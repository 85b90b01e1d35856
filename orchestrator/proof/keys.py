"""What the steps of a fold are called: by the fold, then as in a line."""

from collections.abc import Iterator

from orchestrator.pipeline.outputs import INGEST, EvaluatedArm, Key, evaluated
from orchestrator.proof.fold import Fold
from orchestrator.proof.spec import ExperimentSpec

FOLD = Key(INGEST.step, Fold)  # within a fold: what its steps take for the ingested dataset


def prefix_of(fold: int) -> str:
    """What the names of a fold's steps begin with; folds are counted from 1."""
    return f"fold{fold}-"


def validated_by(arm: str) -> Key[EvaluatedArm]:
    """The step, within a fold, that looks at an arm's classifiers on validation, for their thresholds."""
    return Key(f"{arm}-validate", EvaluatedArm)


def folds_of(spec: ExperimentSpec) -> Iterator[tuple[int, Key[Fold]]]:
    """(number, the step that divides the photographs), by its whole name."""
    for number in range(1, spec.folds + 1):
        yield number, Key(prefix_of(number) + FOLD.step, Fold)


def evaluations(number: int, arm: str) -> tuple[Key[EvaluatedArm], Key[EvaluatedArm]]:
    """(On validation, on test): an arm's steps in a fold by their whole names."""
    steps = validated_by(arm), evaluated(arm)
    on_validation, on_test = (Key(prefix_of(number) + step.step, EvaluatedArm) for step in steps)
    return on_validation, on_test
