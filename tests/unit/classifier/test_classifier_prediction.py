"""Every cycle answers as its own network does, and what cycles have in common is computed once."""

import numpy as np

from services.classifier.model import Network, probabilities
from services.classifier.prediction import Predictor
from tests.unit.classifier.classifier_samples import ARCHITECTURE, lively


class Counting(Predictor):
    """Counts how often the images went through a base."""

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        self.embedded = 0
        graph = self._embed

        def counted(images: object) -> object:
            self.embedded += 1
            return graph(images)

        self._embed = counted  # type: ignore[assignment]


def test_cycles_on_one_frozen_base_share_what_it_makes_of_the_images() -> None:
    first, other_base = lively(ARCHITECTURE, seed=1), lively(ARCHITECTURE, seed=2)
    other_head = lively(ARCHITECTURE, seed=1)
    kernel = other_head.top.get_layer("dense").kernel
    kernel.assign(kernel.numpy()[:, ::-1])
    cycles = [first, other_head, other_base, first]
    weights = [network.model.get_weights() for network in cycles]
    pixels = np.random.default_rng(0).integers(0, 256, (70, 32, 32, 3), dtype=np.uint8)  # more than a batch

    predictor = Counting(lively(ARCHITECTURE, seed=3))
    load = predictor.network.model.set_weights
    answers = list(predictor.of_cycles(lambda cycle: load(weights[cycle]), len(cycles), pixels))

    assert predictor.embedded == 2 * 3, "two batches through each of three bases: the second cycle has the first's"
    for network, (found, embeddings) in zip(cycles, answers, strict=True):
        np.testing.assert_allclose(found, probabilities(network, pixels), atol=1e-5)
        np.testing.assert_allclose(embeddings, network.embed(pixels.astype(np.float32)), rtol=1e-4, atol=1e-5)
    assert np.abs(answers[0][0] - answers[1][0]).max() > 0.05, "another head answers otherwise"
