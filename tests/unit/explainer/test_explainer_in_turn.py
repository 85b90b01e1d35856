"""Models that are explained one after the other on one network: each is explained as on a network of its own."""

import numpy as np
import pytest

from defectory.imaging import encode_png
from defectory.storage import ObjectStore, open_store
from services.classifier.bundle import put_weights, weights_bytes
from services.classifier.cards import write_card
from services.explainer.explanation import Explainer
from tests.unit.classifier.classifier_samples import ARCHITECTURE, bundle, lively


@pytest.fixture(scope="module")
def store() -> ObjectStore:
    """Two models of one architecture: judge and other."""
    store, card = bundle(open_store("memory://"), weights_bytes(lively(ARCHITECTURE, 1)))
    entry = put_weights(
        store, "models/classifier/other/1/", "cycle-0.safetensors", weights_bytes(lively(ARCHITECTURE, 2))
    )
    cycle = card.cycles[0].model_copy(update={"weights": entry})
    write_card(store, card.model_copy(update={"name": "other", "cycles": (cycle,)}))
    return store


def seen(explainer: Explainer) -> list[tuple[dict[str, float], bytes]]:
    pictures = [np.random.default_rng(seed).integers(0, 256, (40, 40, 3)).astype(np.uint8) for seed in range(3)]
    explanations = explainer.explain([explainer.read(encode_png(picture)) for picture in pictures])
    return [(one.probabilities, one.heatmap.tobytes()) for one in explanations]


def test_one_network_explains_as_two_do(store: ObjectStore) -> None:
    judge, other = seen(Explainer(store, "judge")), seen(Explainer(store, "other"))
    assert judge != other
    first = Explainer(store, "judge", in_turn=True)
    assert seen(first) == judge
    second = Explainer(store, "other", in_turn=True)
    assert second.network is first.network
    assert second.cam is first.cam
    assert seen(second) == other
    assert seen(Explainer(store, "judge", in_turn=True)) == judge
