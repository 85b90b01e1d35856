"""Explains images with one classifier: decision, heatmap, boxes, and whether the heat lies where no part is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from defectory.errors import InvalidInput
from defectory.imaging import decode
from defectory.storage.store import ObjectStore
from services.classifier.bundle import load
from services.classifier.card import MAX_PIXELS
from services.explainer.background import ALARM, heat_on_background
from services.explainer.boxes import Box, BoxRule, find_boxes
from services.explainer.cam import PREDICTED, Cam
from services.explainer.methods import DEFAULT_METHOD
from services.explainer.overlay import onto_picture


@dataclass(frozen=True)
class Explanation:
    """One decision and what drove it."""

    predicted: str  # at the model's operating point
    probabilities: dict[str, float]  # calibrated
    label: str  # the label explained
    image: np.ndarray  # uint8 (height, width, 3), as it came
    heatmap: np.ndarray  # float32 (height, width) in [0, 1]
    boxes: list[Box]
    background: float | None  # share of the heat that lies on the background; None where none can be told

    @property
    def on_background(self) -> bool:
        """The decision rests on what is no part."""
        return self.background is not None and self.background > ALARM


class Explainer:
    """A classifier that shows its reasons."""

    def __init__(self, store: ObjectStore, model: str, method: str = DEFAULT_METHOD) -> None:
        self.card, self.network = load(store, model)
        self.method = method
        self.labels = self.card.architecture.labels
        self.cells = self.network.backbone.output_shape[1:3]  # (h, w) of a heatmap before it is enlarged
        self._cam = Cam(self.network, method)

    def inputs(self, files: Sequence[bytes]) -> np.ndarray:
        """What the network sees of files, as when it serves: uint8 (N, size, size, 3)."""
        return np.stack([self.card.preprocessing.input_of(data, self.card.architecture.input_px) for data in files])

    def explain(
        self, files: Sequence[bytes], labels: Sequence[str] = (), rule: BoxRule | None = None
    ) -> list[Explanation]:
        """Explain images.

        Args:
            files: PNG, JPEG, BMP or TIFF. The heat is that of the served input, shown on the whole picture.
            labels: the label to explain of each image; none: the one decided for.
            rule: which heat belongs to a box.

        Raises:
            InvalidInput: a label the classifier does not know, a file that is no image that can be read.
        """
        pixels = self.inputs(files)
        for label in labels:
            self.check_label(label)
        wanted = np.array([self.labels.index(label) for label in labels]) if labels else None
        found = self._cam.heats(pixels, wanted)
        decided = self.card.rule.decide(found.probabilities)
        if wanted is None and (decided.labels != found.classes).any():
            # The operating point may decide for another label than the most probable one: that is what is explained.
            same = decided.labels == found.classes
            found = self._cam.heats(pixels, np.where(same, PREDICTED, decided.labels))
        explanations = []
        fit = self.card.preprocessing.fit
        for i, data in enumerate(files):
            shown = np.asarray(decode(data, MAX_PIXELS).convert("RGB"))
            heatmap = onto_picture(found.heat[i], shown.shape[1], shown.shape[0], fit)
            explanations.append(
                Explanation(
                    predicted=self.labels[decided.labels[i]],
                    probabilities=dict(zip(self.labels, map(float, decided.probabilities[i]), strict=True)),
                    label=self.labels[found.classes[i]],
                    image=shown,
                    heatmap=heatmap,
                    boxes=find_boxes(heatmap, rule),
                    background=heat_on_background(shown, heatmap),
                )
            )
        return explanations

    def check_label(self, label: str) -> None:
        """InvalidInput for a label that the classifier does not know."""
        if label not in self.labels:
            right = f"use one of {', '.join(self.labels)}"
            raise InvalidInput(f"label {label!r}: {right}", {"label": right})
