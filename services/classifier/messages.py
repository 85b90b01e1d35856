"""What callers of the classifier see of its cards."""

from defectory.api.classifier.v1 import classifier_pb2 as pb
from defectory.storage.store import ObjectStore
from services.classifier.card import ClassifierCard


def to_message(store: ObjectStore, card: ClassifierCard) -> pb.Classifier:
    """A card as callers see it."""
    return pb.Classifier(
        name=card.name,
        version=card.version,
        labels=card.architecture.labels,
        input_px=card.architecture.input_px,
        cycles=len(card.cycles),
        weights_sha256=card.weights.sha256,
        weights_uri=store.uri(card.prefix + card.weights.file),
        card_uri=store.uri(card.prefix + "model.json"),
        metrics_uri=store.uri(card.prefix + "metrics.json"),
        initial_weights=card.lineage.initial_weights,
    )
