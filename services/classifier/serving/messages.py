"""Decisions as ClassifierService tells them."""

from collections.abc import Iterator

from defectory.api.classifier.v1 import classifier_pb2 as pb
from services.classifier.card import ClassifierCard
from services.classifier.decision import Decisions


def to_classifications(card: ClassifierCard, decisions: Decisions) -> Iterator[pb.Classification]:
    """One message an image."""
    labels = card.architecture.labels
    for number, (row, decided) in enumerate(zip(decisions.probabilities, decisions.labels, strict=True)):
        message = pb.Classification(
            label=labels[row.argmax()],
            probabilities=dict(zip(labels, row.tolist(), strict=True)),
            decision=labels[decided],
        )
        if decisions.rejected is not None:
            message.rejected = bool(decisions.rejected[number])
        yield message
