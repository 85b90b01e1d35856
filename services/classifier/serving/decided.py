"""What is decided on one image."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from services.classifier.decision import DecisionRule


class Decided(NamedTuple):
    """One image's answer; see `services.classifier.decision.Decisions`."""

    probabilities: np.ndarray  # calibrated, float64 (labels,)
    label: int
    rejected: bool | None


Finish = Callable[[np.ndarray], Sequence[Decided]]


def by(rule: DecisionRule) -> Finish:
    """Makes decisions of a batch's probabilities (N, labels), of many callers at once: it costs as much for one."""

    def finish(probabilities: np.ndarray) -> list[Decided]:
        decisions = rule.decide(probabilities)
        rejected = [None] * len(decisions.labels) if decisions.rejected is None else decisions.rejected.tolist()
        return [Decided(*row) for row in zip(decisions.probabilities, decisions.labels.tolist(), rejected, strict=True)]

    return finish
