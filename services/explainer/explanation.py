"""Explains images with one classifier: decision, heatmap, boxes, and whether the heat lies where no part is."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from defectory.errors import InvalidInput
from defectory.job_settings.explaining import DEFAULT_METHOD
from defectory.storage.store import ObjectStore
from services.classifier.architecture import Architecture
from services.classifier.bundle import load
from services.classifier.model import Network, build
from services.explainer.background import ALARM, heat_on_background
from services.explainer.boxes import Box, BoxRule
from services.explainer.cam import PREDICTED, Cam
from services.explainer.overlay import onto_picture
from services.explainer.picture import Picture, read_picture
from services.explainer.unclear import boxes_or_why_none


@dataclass(frozen=True)
class Explanation:
    """One decision and what drove it."""

    predicted: str  # at the model's operating point
    probabilities: dict[str, float]  # calibrated
    label: str  # the label explained
    shown: np.ndarray  # uint8 (height, width, 3): the image, scaled down where it is large
    heatmap: np.ndarray  # float32 (height, width) in [0, 1], on what is shown
    shown_boxes: list[Box]  # on what is shown
    boxes: list[Box]  # in pixels of the image as it came
    threshold: float  # heat from which on a pixel belongs to a box
    background: float | None  # share of the heat that lies on the background; None where none can be told
    unclear: str  # why the heat says nothing of a part; empty: it does

    @property
    def on_background(self) -> bool:
        """The decision rests on what is no part."""
        return self.background is not None and self.background > ALARM


@lru_cache(maxsize=1)
def _in_turn(architecture: Architecture, method: str) -> tuple[Network, Cam]:
    """A network and its graph for one model after the other: to build and trace takes longer than to explain a few."""
    network = build(architecture)
    return network, Cam(network, method)


class Explainer:
    """A classifier that shows its reasons."""

    def __init__(self, store: ObjectStore, model: str, method: str = DEFAULT_METHOD, *, in_turn: bool = False) -> None:
        """Load a model.

        Args:
            in_turn: it is needed no longer than until the next one of this process is made, which takes its network.

        Raises:
            NotFound: no such model. Corrupted: card or weights are not what they should be. InvalidInput: no method.
        """
        if in_turn:
            self.card, self.network = load(store, model, lambda architecture: _in_turn(architecture, method)[0])
            _, self.cam = _in_turn(self.card.architecture, method)
        else:
            self.card, self.network = load(store, model)
            self.cam = Cam(self.network, method)
        self.method = method
        self.labels = self.card.architecture.labels
        self.cells = self.network.backbone.output_shape[1:3]  # (h, w) of a heatmap before it is enlarged

    def explain(
        self, pictures: Sequence[Picture], labels: Sequence[str] = (), rule: BoxRule | None = None
    ) -> Iterator[Explanation]:
        """Explain images; what is large of an explanation is made when its turn comes.

        Args:
            pictures: as `read` makes them. The heat is that of the served input, shown on the whole picture.
            labels: the label to explain of each image; none: the one decided for.
            rule: which heat belongs to a box.

        Raises:
            InvalidInput: a label the classifier does not know.
        """
        for label in labels:
            self.check_label(label)
        pixels = np.stack([picture.pixels for picture in pictures])
        wanted = np.array([self.labels.index(label) for label in labels]) if labels else None
        heats = self.cam.heats(pixels, wanted)
        decided = self.card.rule.decide(heats.probabilities)
        if wanted is None and (decided.labels != heats.classes).any():
            # The operating point may decide for another label than the most probable one: that is what is explained.
            same = decided.labels == heats.classes
            heats = self.cam.heats(pixels, np.where(same, PREDICTED, decided.labels))
        return (
            self._explanation(picture, heats.heat[i], int(heats.classes[i]), int(decided.labels[i]), fair, rule)
            for i, (picture, fair) in enumerate(zip(pictures, decided.probabilities, strict=True))
        )

    def read(self, data: bytes) -> Picture:
        """A file as the network and as people see it; InvalidInput for one that cannot be read."""
        return read_picture(data, self.card.preprocessing, self.card.architecture.input_px)

    def _explanation(
        self,
        picture: Picture,
        heat: np.ndarray,
        explained: int,
        decided: int,
        probabilities: np.ndarray,
        rule: BoxRule | None,
    ) -> Explanation:
        height, width = picture.shown.shape[:2]
        heatmap = onto_picture(heat, width, height, self.card.preprocessing.fit)
        share = heat_on_background(picture.shown, heatmap)
        boxes, unclear = boxes_or_why_none(heat, heatmap, share, rule)
        return Explanation(
            predicted=self.labels[decided],
            probabilities=dict(zip(self.labels, map(float, probabilities), strict=True)),
            label=self.labels[explained],
            shown=picture.shown,
            heatmap=heatmap,
            shown_boxes=boxes,
            boxes=[box.enlarged(*picture.enlargement) for box in boxes],
            threshold=(rule or BoxRule()).threshold(heatmap) if boxes else 1.0,
            background=share,
            unclear=unclear,
        )

    def check_label(self, label: str) -> None:
        """InvalidInput for a label that the classifier does not know."""
        if label not in self.labels:
            right = f"use one of {', '.join(self.labels)}"
            raise InvalidInput(f"label {label!r}: {right}", {"label": right})
