"""The descriptor of fine structure sees what stays of a part under another light, and not the light."""

import numpy as np
import pytest

from defectory.datasets import groups
from defectory.imaging.structure import FineStructure
from services.filter import structure


def photograph(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(40, 90, (64, 64)).astype(np.uint8)


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


@pytest.mark.parametrize("descriptor", [groups.FINE, structure.FINE], ids=["groups", "copies"])
def test_another_exposure_and_a_gradient_of_light_change_little_and_another_part_all(descriptor: FineStructure) -> None:
    part = photograph(0)
    light = np.linspace(1.0, 2.5, 64)[None, :]
    seen = descriptor.describe(part)
    assert seen.shape == (descriptor.side_px,) * 2
    assert seen.dtype == np.float32
    assert correlation(seen, descriptor.describe((part * light).astype(np.uint8))) > 0.95
    assert abs(correlation(seen, descriptor.describe(photograph(1)))) < 0.1


def test_the_filter_compares_the_same_descriptor_in_half_precision_also_of_colours() -> None:
    part = photograph(2)
    expected = structure.FINE.describe(part).astype(np.float16)
    np.testing.assert_array_equal(structure.structure(part), expected)
    np.testing.assert_array_equal(structure.structure(np.repeat(part[..., None], 3, axis=2)), expected)
    assert structure.structures([part, part]).shape == (2, structure.SIDE, structure.SIDE)
