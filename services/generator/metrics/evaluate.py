"""Every metric of a set of synthetic images at once, on real images that the generator did not learn from."""

from dataclasses import asdict, dataclass

import numpy as np

from defectory.errors import FailedPrecondition
from services.generator.metrics.features import standardised, texture
from services.generator.metrics.kid import kid
from services.generator.metrics.neighbours import diversity, manifolds, memory

MIN_HELD_OUT = 10  # with fewer, the interval of any of these numbers holds every answer


@dataclass(frozen=True)
class Scores:
    """See `kid.py` and `neighbours.py` for what each says."""

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

    def to_dict(self) -> dict[str, float]:
        """By name."""
        return asdict(self)


def evaluate(fake: np.ndarray, train: np.ndarray, held_out: np.ndarray, seed: int = 0) -> Scores:
    """Measure synthetic images.

    Shapes:
        fake: (M, R, R, C); train, which the generator learned from: (N, R, R, C); held_out: (H, R, R, C); all uint8

    Raises:
        FailedPrecondition: too few held-out images to say anything.
    """
    check_held_out(held_out)
    learned, mirrored, real, made = standardised(
        texture(train), texture(train[:, :, ::-1]), texture(held_out), texture(fake)
    )
    distance, shape, near = kid(real, made, seed), manifolds(real, made), memory(learned, mirrored, made)
    return Scores(
        kid=distance.mean,
        kid_low=distance.low,
        kid_high=distance.high,
        **asdict(shape),
        diversity=diversity(made, real),
        **asdict(near),
    )


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
