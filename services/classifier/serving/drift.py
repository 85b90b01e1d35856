"""Served pictures beside those that a version was trained on: what changes slowly is seen before decisions show it."""

import numpy as np

from services.classifier.appearance import brightness, sharpness
from services.classifier.card import ClassifierCard
from services.classifier.serving.metrics import BRIGHTNESS, DOUBTFUL_EXPECTED, SHARPNESS, TRAINED_ON, UNUSUAL

LOOKS = {"brightness": (brightness, BRIGHTNESS), "sharpness": (sharpness, SHARPNESS)}
EXPECTED = 0.1  # share of doubtful answers where a card does not say how many there were on validation


class Watch:
    """Looks at what one version is asked about.

    A picture is unusual where it is darker, brighter, softer or sharper than 98 of 100 of the training's photographs.
    """

    def __init__(self, card: ClassifierCard) -> None:
        self._looks = []
        for what, (look, histogram) in LOOKS.items():
            spread = getattr(card.appearance, what) if card.appearance else None
            unusual = UNUSUAL.labels(card.name, card.version, what)
            if spread is not None:
                for bound in ("low", "mean", "high"):
                    TRAINED_ON.labels(card.name, card.version, what, bound).set(getattr(spread, bound))
            self._looks.append((look, histogram.labels(card.name, card.version), spread, unusual))
        doubtful = card.calibration.doubtful
        DOUBTFUL_EXPECTED.labels(card.name, card.version).set(EXPECTED if doubtful is None else doubtful)

    def see(self, pixels: np.ndarray) -> None:
        """Look at one picture as the network sees it: uint8 (H, W, 3)."""
        for look, histogram, spread, unusual in self._looks:
            value = look(pixels)
            histogram.observe(value)
            if spread is not None and not spread.low <= value <= spread.high:
                unusual.inc()
