"""Decisions as ClassifierService tells them."""

from collections.abc import Iterator, Sequence

from defectory.api.classifier.v1 import classifier_pb2 as pb
from services.classifier.card import ClassifierCard
from services.classifier.serving.decided import Decided


def to_classifications(card: ClassifierCard, decided: Sequence[Decided]) -> Iterator[pb.Classification]:
    """One message an image."""
    labels = card.architecture.labels
    for one in decided:
        yield pb.Classification(
            label=labels[one.probabilities.argmax()],
            probabilities=dict(zip(labels, one.probabilities.tolist(), strict=True)),
            decision=labels[one.label],
            rejected=one.rejected,
        )
