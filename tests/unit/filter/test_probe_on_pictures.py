"""The probe on a network's features: it sees the blur of pictures that go two paths, and none where all go one."""

import numpy as np
import pytest
from PIL import Image

from defectory.imaging import network_input, to_square
from defectory.probe import Probe, Sample, probe
from orchestrator.cables.drawing import draw_cable
from services.classifier import starter
from services.classifier.architecture import Architecture
from services.classifier.model import Network, build

EACH, INPUT_PX, MADE_PX = 50, 224, 64


@pytest.fixture(scope="module")
def network() -> Network:
    network = build(Architecture(labels=("defect", "good"), input_px=INPUT_PX))
    starter.load(network.base)
    return network


@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    return [Image.fromarray(draw_cable(seed, size_px=INPUT_PX).image) for seed in range(2 * EACH)]


def probe_of(network: Network, real: list[Image.Image], synthetic: list[Image.Image], square_px: int) -> Probe:
    images = np.stack([network_input(image, INPUT_PX, square_px=square_px) for image in [*real, *synthetic]])
    embeddings = network.embed.predict(images, batch_size=25, verbose=0)
    parts = [str(seed) for seed in range(2 * EACH)]
    probed = probe(Sample(embeddings[:EACH], parts[:EACH]), Sample(embeddings[EACH:], parts[EACH:]))
    assert probed is not None
    return probed


def test_blur_gives_pictures_away_unless_all_go_one_path(network: Network, pictures: list[Image.Image]) -> None:
    real, synthetic = pictures[::2], [to_square(image, MADE_PX, "stretch") for image in pictures[1::2]]
    assert probe_of(network, real, synthetic, square_px=0).low > 0.95
    one_path = probe_of(network, real, synthetic, square_px=MADE_PX)
    assert one_path.low < 0.5 < one_path.high
