"""Every metric of a set of synthetic images at once, on real images that the generator did not learn from."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from defectory.errors import FailedPrecondition
from services.generator.metrics.classes import Classes, class_diversities
from services.generator.metrics.features import standardised, texture
from services.generator.metrics.fid import fid
from services.generator.metrics.kid import kid
from services.generator.metrics.neighbours import Memory, diversity, manifolds, memory, spacing

MIN_HELD_OUT = 10  # with fewer, the interval of any of these numbers holds every answer
OF_CLASS = "diversity/"  # before a class's name: its own diversity


@dataclass(frozen=True)
class Scores:
    """See `kid.py` and `neighbours.py` for what each says; diversity is that of all or, if less, of one class."""

    kid: float
    kid_low: float
    kid_high: float
    precision: float
    recall: float
    density: float
    coverage: float
    diversity: float
    nearest_ratio: float
    copies: float
    diversity_of: Mapping[str, float] = field(default_factory=dict)  # each class by itself, see `class_diversities`

    def to_dict(self) -> dict[str, float]:
        """By name; the diversity of class "cut" is "diversity/cut"."""
        values = asdict(self)
        of_classes: Mapping[str, float] = values.pop("diversity_of")
        return values | {f"{OF_CLASS}{name}": value for name, value in of_classes.items()}


class Reference:
    """Real images, described once, against which sets of synthetic ones are measured.

    Shapes:
        train, which the generator learned from: (N, R, R, C); held_out: (H, R, R, C); uint8

    Args:
        classes: of the held-out images, where the generator has some.
        mirror_y: images mirrored top to bottom are copies as well, as those mirrored left to right always are: the
            generator learned from them too.

    Raises:
        FailedPrecondition: too few held-out images to say anything.
    """

    def __init__(
        self, train: np.ndarray, held_out: np.ndarray, classes: Classes | None = None, *, mirror_y: bool = False
    ) -> None:
        check_held_out(held_out)
        self._classes = classes or Classes()
        self._train = texture(train)
        ways = [train[:, :, ::-1], *((train[:, ::-1], train[:, ::-1, ::-1]) if mirror_y else ())]
        mirrored = np.concatenate([texture(way) for way in ways])
        self._mirrored, self._held_out = standardised(self._train, mirrored, texture(held_out))[1:]
        self._learned = standardised(self._train)[0]
        self._spacing = spacing(self._learned)

    @property
    def held_out_copies(self) -> float:
        """Share of held-out images that would count as copies of training images: what a part does by itself."""
        return self._memory(self._held_out).copies

    def measure(self, fake: np.ndarray, classes: Sequence[int] | None = None, seed: int = 0) -> Scores:
        """Measure synthetic images (M, R, R, C) uint8, of M classes where the generator has some."""
        made = standardised(self._train, texture(fake))[1]
        of_classes = class_diversities(made, classes, self._held_out, self._classes.held_out) if classes else {}
        distance, shape, near = kid(self._held_out, made, seed), manifolds(self._held_out, made), self._memory(made)
        return Scores(
            kid=distance.mean,
            kid_low=distance.low,
            kid_high=distance.high,
            **asdict(shape),
            diversity=min([diversity(made, self._held_out), *of_classes.values()]),
            **asdict(near),
            diversity_of={self._classes.names[index]: value for index, value in of_classes.items()},
        )

    def frechet(self, fake: np.ndarray) -> float:
        """FID of synthetic images (M, R, R, C) uint8 and the held-out ones.

        Raises:
            FailedPrecondition: too few of either; see `fid.py`.
        """
        return fid(self._held_out, standardised(self._train, texture(fake))[1])

    def _memory(self, features: np.ndarray) -> Memory:
        return memory(self._learned, self._mirrored, features, self._spacing)


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
