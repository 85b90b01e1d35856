"""What the steps of a fold are called: by the fold, then as in a line."""

from collections.abc import Iterator
from typing import Literal

from orchestrator.pipeline.arms import ArmSettings
from orchestrator.pipeline.outputs import INGEST, EvaluatedArm, Key, Outputs, ScoredByMemory, evaluated
from orchestrator.proof.arms import Memory
from orchestrator.proof.fold import Fold
from orchestrator.proof.spec import ExperimentSpec

FOLD = Key(INGEST.step, Fold)  # within a fold: what its steps take for the ingested dataset
OF_DEFECTS = "set-"  # what the names of steps begin with, within a fold, whose generators learn defects alone


def prefix_of(fold: int) -> str:
    """What the names of a fold's steps begin with; folds are counted from 1."""
    return f"fold{fold}-"


def validated_by(arm: str) -> Key[EvaluatedArm]:
    """The step, within a fold, that looks at an arm's classifiers on validation, for their thresholds."""
    return Key(f"{arm}-validate", EvaluatedArm)


def remembered(arm: str) -> Key[ScoredByMemory]:
    """The step, within a fold, that compares images with good parts, in place of an arm's training and evaluations."""
    return Key(arm, ScoredByMemory)


def folds_of(spec: ExperimentSpec) -> Iterator[tuple[int, Key[Fold]]]:
    """(number, the step that divides the photographs), by its whole name."""
    for number in range(1, spec.folds + 1):
        yield number, Key(prefix_of(number) + FOLD.step, Fold)


def evaluation_uri(outputs: Outputs, number: int, arm: ArmSettings, split: Literal["validation", "test"]) -> str:
    """Where lies what an arm's classifiers, or memories, said of a split of a fold."""
    own = outputs.below(prefix_of(number))
    if isinstance(arm, Memory):
        return own[remembered(arm.name)].evaluation_uris[split]
    return own[validated_by(arm.name) if split == "validation" else evaluated(arm.name)].evaluation_uri
