"""Explains images with one classifier: decision, heatmap, boxes."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from defectory.errors import InvalidInput
from defectory.imaging import network_input
from defectory.storage.store import ObjectStore
from services.classifier.bundle import load
from services.explainer.boxes import Box, find_boxes
from services.explainer.grad_cam import GradCam
from services.explainer.overlay import enlarge


@dataclass(frozen=True)
class Explanation:
    """One decision and what drove it."""

    predicted: str
    probabilities: dict[str, float]
    label: str  # the label explained
    image: np.ndarray  # uint8 (height, width, 3), as it came
    heatmap: np.ndarray  # float32 (height, width) in [0, 1]
    boxes: list[Box]


class Explainer:
    """A classifier that shows its reasons."""

    def __init__(self, store: ObjectStore, model: str) -> None:
        self.card, network = load(store, model)
        self._grad_cam = GradCam(network)

    def explain(self, images: list[Image.Image], label: str = "", threshold: float = 0.15) -> list[Explanation]:
        """Explain images.

        Args:
            label: label to explain; empty: each image's predicted one.
            threshold: share of the heatmap's maximum from which a pixel belongs to a box, in (0, 1).

        Raises:
            InvalidInput: a label the classifier does not know, a threshold out of range.
        """
        labels = self.card.architecture.labels
        if label and label not in labels:
            right = f"use one of {', '.join(labels)}"
            raise InvalidInput(f"label {label!r}: {right}", {"label": right})
        if not 0 < threshold < 1:
            raise InvalidInput(f"box_threshold {threshold}: use more than 0 and less than 1",
                               {"box_threshold": "use more than 0 and less than 1"})  # fmt: skip
        size = self.card.architecture.input_px
        pixels = np.stack([network_input(image, size) for image in images])
        probabilities = self._grad_cam.probabilities(pixels)
        classes = probabilities.argmax(axis=1) if not label else np.full(len(images), labels.index(label))
        heats = self._grad_cam.heatmaps(pixels, classes)
        explanations = []
        for image, row, chosen, heat in zip(images, probabilities, classes, heats, strict=True):
            heatmap = enlarge(heat, *image.size)
            explanations.append(
                Explanation(
                    predicted=labels[row.argmax()],
                    probabilities=dict(zip(labels, map(float, row), strict=True)),
                    label=labels[chosen],
                    image=np.asarray(image.convert("RGB")),
                    heatmap=heatmap,
                    boxes=find_boxes(heatmap, threshold),
                )
            )
        return explanations
