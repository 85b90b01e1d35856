"""Honest images stay when features count too: a network's embeddings, not numbers made up for the purpose."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from services.classifier.architecture import Architecture
from services.classifier.model import Network, build
from services.classifier.weights import load_imagenet
from services.filter.features import unit_rows
from services.filter.novelty import Prepared, judge, limits
from services.filter.structure import Whitening, structures
from tests.unit.classifier.classifier_samples import lively
from tests.unit.filter.test_novelty import cables, pieces_of_tiles


def rejected(
    network: Network, train: Sequence[np.ndarray], groups: Sequence[str], honest: Sequence[np.ndarray]
) -> tuple[Counter[str], dict[str, float]]:
    """(honest images rejected, by reason; distance of an outlier by label)."""
    whitening = Whitening(structures(train))
    size = network.model.input_shape[1]

    def prepared(images: Sequence[np.ndarray]) -> Prepared:
        seen = np.zeros((0, size, size, 3), np.float32)
        if images:
            colours = [x if x.ndim == 3 else np.repeat(x[..., None], 3, axis=2) for x in images]
            seen = np.stack([cv2.resize(x, (size, size)) for x in colours]).astype(np.float32)
        embeddings = unit_rows(network.embed.predict(seen, verbose=0)) if images else np.zeros((0, 1), np.float32)
        return Prepared(whitening.gallery(structures(images)), embeddings, np.full(len(images), "good"))

    real = prepared(train)
    bounds = limits(real, groups)
    nothing = prepared([])
    findings = judge(prepared(honest), real, nothing, nothing.gallery, bounds)
    reasons = Counter(reason for finding in findings for reason in finding.reasons)
    reasons["any"] = sum(bool(finding.reasons) for finding in findings)
    return reasons, bounds.outlier


@pytest.mark.slow
def test_honest_cables_stay() -> None:
    """With features of a network that was never trained, which is the worst that a judge can be."""
    network = lively(Architecture(labels=("defect", "good"), input_px=64, width_multiplier=0.35, head_units=8))
    images = cables(300, seed=50_000)
    reasons, outlier = rejected(network, images[:100], [str(i) for i in range(100)], images[100:])
    assert np.isfinite(outlier["good"])
    assert reasons["any"] <= 2, reasons


def test_honest_photographs_stay(shared: Path) -> None:
    images = pieces_of_tiles(shared)  # nine of a tile, one after the other
    network = build(Architecture(labels=("defect", "good"), input_px=96))
    load_imagenet(network, 1.0, {"weights": str(shared / "weights/mobilenet_v2_imagenet_no_top.weights.h5")})
    train, parts = images[:270], [str(i // 9) for i in range(270)]
    reasons, outlier = rejected(network, train, parts, images[270:1270])
    assert np.isfinite(outlier["good"])
    assert reasons["any"] <= 10, reasons
    reasons, _ = rejected(network, train, parts, cables(20, seed=1))
    assert reasons["outlier"] == 20, reasons
