"""What an arm's classifiers said of the test parts of every fold, as the statistics read it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from defectory.errors import InvalidInput

Lacking = Mapping[int, Mapping[str, str]]


@dataclass(frozen=True)
class FoldOutcome:
    """One fold's test photographs, and what its classifiers, one a seed, said of them.

    Attributes:
        truth: (N,) int, place of the true label; 0 is good.
        group: (N,) int from 0 on: photographs of one group show the same part.
        decided: (S, N) int, place of the label that each classifier decided for.
        score: (S, N) float in [0, 1], probability of a defect, whichever.
        rejected: (S, N) bool, whether the part is rejected at the operating point, which was chosen on validation.
        most_probable: (S, N) int, place of the most probable label, whatever was chosen on validation.
        kind: (N,) str, which defect the photograph shows; "" of good ones.
    """

    truth: np.ndarray
    group: np.ndarray
    decided: np.ndarray
    score: np.ndarray
    rejected: np.ndarray
    most_probable: np.ndarray
    kind: np.ndarray

    def __post_init__(self) -> None:
        """See that the shapes fit.

        Raises:
            InvalidInput: they do not.
        """
        images, classifiers = len(self.truth), len(self.decided)
        wanted = (classifiers, images)
        answers = ("decided", "score", "rejected", "most_probable")
        shapes = {name: getattr(self, name).shape for name in answers}
        wrong = {name: shape for name, shape in shapes.items() if shape != wanted}
        of_images = self.group.shape, self.kind.shape
        if of_images != ((images,),) * 2 or wrong or not images or not classifiers:
            right = f"group and kind ({images},), {', '.join(answers)} {wanted}, none empty"
            raise InvalidInput(
                f"a fold's outcome has group and kind {of_images} and {shapes}: {right}", {"outcome": right}
            )

    @property
    def groups(self) -> int:
        """How many independent parts there are."""
        return int(self.group.max()) + 1

    @property
    def seeds(self) -> int:
        """How many classifiers there are."""
        return len(self.decided)


@dataclass(frozen=True)
class ArmOutcome:
    """An arm over all folds, in their order: the same photographs and groups in every arm.

    Attributes:
        lacking: fold, counted from 1 -> what the arm was to be trained on and had none of -> why, if known.
    """

    name: str
    folds: Sequence[FoldOutcome]
    lacking: Lacking = field(default_factory=dict)

    @property
    def is_untried(self) -> bool:
        """Whether it has lacked something in every fold."""
        return len(self.lacking) == len(self.folds)


def check_comparable(arms: Sequence[ArmOutcome]) -> None:
    """See that all arms were tested on the same photographs, with as many seeds.

    Raises:
        InvalidInput: two were not; names both and the fold.
    """
    first = arms[0]
    for arm in arms[1:]:
        if len(arm.folds) != len(first.folds):
            right = f"the {len(first.folds)} folds of {first.name}"
            raise InvalidInput(f"arm {arm.name} has {len(arm.folds)} folds: {right}", {"arms": right})
        for number, (mine, theirs) in enumerate(zip(arm.folds, first.folds, strict=True), start=1):
            same = np.array_equal(mine.truth, theirs.truth) and np.array_equal(mine.group, theirs.group)
            if not same or mine.seeds != theirs.seeds:
                right = f"the same photographs, groups and seeds as {first.name}"
                raise InvalidInput(f"arm {arm.name}, fold {number}, is not comparable: {right}", {"arms": right})
