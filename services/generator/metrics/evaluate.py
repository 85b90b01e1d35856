"""Every metric of a set of synthetic images at once, on real images that the generator did not learn from."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from defectory.datasets.splits import MIN_HELD_OUT
from defectory.errors import FailedPrecondition
from services.generator.metrics.classes import Classes, class_diversities
from services.generator.metrics.features import standardised, texture
from services.generator.metrics.fid import fid
from services.generator.metrics.kid import kid
from services.generator.metrics.likeness import NOTHING_KNOWN, Memory, TrainingImages
from services.generator.metrics.neighbours import diversity, manifolds

OF_CLASS = "diversity/"  # before a class's name: its own diversity


@dataclass(frozen=True, kw_only=True)
class Faults:
    """What shows that a generator copies or has collapsed, which needs no held-out images; see `likeness.py`."""

    diversity: float  # that of all or, if less, of one class; see `neighbours.py`
    nearest_ratio: float
    copies: float
    diversity_of: Mapping[str, float] = field(default_factory=dict)  # each class by itself, see `class_diversities`

    def to_dict(self) -> dict[str, float]:
        """By name; the diversity of class "cut" is "diversity/cut"."""
        values = asdict(self)
        of_classes: Mapping[str, float] = values.pop("diversity_of")
        return values | {f"{OF_CLASS}{name}": value for name, value in of_classes.items()}


@dataclass(frozen=True, kw_only=True)
class Scores(Faults):
    """Everything; see `kid.py` and `neighbours.py` for what each says."""

    kid: float
    kid_low: float
    kid_high: float
    precision: float
    recall: float
    density: float
    coverage: float
    coverage_low: float
    coverage_high: float


class Reference:
    """Real images, described once, against which sets of synthetic ones are measured.

    Shapes:
        train, which the generator learned from: (N, R, R, C); held_out: (H, R, R, C), H possibly 0; uint8

    Args:
        classes: of both, where the generator has some.
        parts: of every training image, which part it shows; absent: each another one.
        held_out_parts: of every held-out image, the same.
        mirror_y: images mirrored top to bottom are copies as well, as those mirrored left to right always are: the
            generator learned from them too.
    """

    def __init__(
        self,
        train: np.ndarray,
        held_out: np.ndarray,
        classes: Classes | None = None,
        parts: Sequence[str] = (),
        held_out_parts: Sequence[str] = (),
        *,
        mirror_y: bool = False,
    ) -> None:
        self._held_out = held_out
        self._held_out_parts = held_out_parts
        self._classes = classes or Classes()
        self._learned = TrainingImages(train, parts, mirror_y=mirror_y)
        self._train_features = texture(train)
        enough = len(held_out) >= MIN_HELD_OUT
        self._real = standardised(self._train_features, texture(held_out) if enough else self._train_features)[1]
        self._real_classes = self._classes.held_out if enough else self._classes.train

    @property
    def held_out_memory(self) -> Memory:
        """How near held-out images come to training images: what a part does by itself. Nothing is said of too few."""
        return self._learned.memory(self._held_out) if len(self._held_out) >= MIN_HELD_OUT else NOTHING_KNOWN

    def faults(self, fake: np.ndarray, classes: Sequence[int] | None = None) -> Faults:
        """What is wrong with synthetic images (M, R, R, C) uint8, of M classes where the generator has some.

        Their diversity is against that of the held-out images or, where those are too few, of the training images.
        """
        return Faults(**self._faults(fake, self._described(fake), classes))

    def measure(self, fake: np.ndarray, classes: Sequence[int] | None = None, seed: int = 0) -> Scores:
        """Measure synthetic images (M, R, R, C) uint8, of M classes where the generator has some.

        Raises:
            FailedPrecondition: too few held-out images to say anything.
        """
        check_held_out(self._held_out)
        features = self._described(fake)
        distance, shape = kid(self._real, features, seed), manifolds(self._real, features, self._held_out_parts)
        return Scores(
            kid=distance.mean,
            kid_low=distance.low,
            kid_high=distance.high,
            **asdict(shape),
            **self._faults(fake, features, classes),
        )

    def frechet(self, fake: np.ndarray) -> float:
        """FID of synthetic images (M, R, R, C) uint8 and the held-out ones.

        Raises:
            FailedPrecondition: too few of either; see `fid.py`.
        """
        check_held_out(self._held_out)
        return fid(self._real, self._described(fake))

    def _described(self, fake: np.ndarray) -> np.ndarray:
        return standardised(self._train_features, texture(fake))[1]

    def _faults(self, fake: np.ndarray, features: np.ndarray, classes: Sequence[int] | None) -> dict[str, Any]:
        of_classes = class_diversities(features, classes, self._real, self._real_classes) if classes else {}
        return {
            "diversity": min([diversity(features, self._real), *of_classes.values()]),
            "diversity_of": {self._classes.names[index]: value for index, value in of_classes.items()},
            **asdict(self._learned.memory(fake)),
        }


def evaluate(
    fake: np.ndarray, train: np.ndarray, held_out: np.ndarray, seed: int = 0, *, mirror_y: bool = False
) -> Scores:
    """Measure synthetic images once; see `Reference`."""
    return Reference(train, held_out, mirror_y=mirror_y).measure(fake, seed=seed)


def check_held_out(held_out: np.ndarray) -> None:
    """See that there are enough held-out images.

    Raises:
        FailedPrecondition: there are not.
    """
    if len(held_out) < MIN_HELD_OUT:
        raise FailedPrecondition(
            f"{len(held_out)} held-out images of the label: metrics need at least {MIN_HELD_OUT}; "
            "ingest with a larger --validation-share"
        )
