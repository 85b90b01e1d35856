"""Anomalies out of good parts: of the published sizes, nothing changed beside them, no defect needed, made again."""

import numpy as np
import pytest
from scipy import ndimage

from defectory.datasets.manifest_line import ManifestLine
from defectory.errors import FailedPrecondition
from defectory.storage.memory import MemoryStore
from orchestrator.edits.anomalies import anomaly, perlin
from orchestrator.edits.making import made_again
from tests.unit.edits.test_by_recipe import edited, mask_of, pixels_of
from tests.unit.edits.tiles import make_tiles, tile

SHARES = {"patch": 1, "scar": 1, "texture": 1}


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.mark.parametrize("kind", SHARES)
@pytest.mark.parametrize("channels", [1, 3])
def test_what_lies_beside_an_anomaly_is_as_it_was(kind: str, channels: int) -> None:
    random = np.random.default_rng(0)
    ground, other = tile(random, channels), tile(random, channels)
    anomalies = [anomaly(kind, ground, other, seed) for seed in range(30)]
    assert sum(result is not None for result in anomalies) >= 25
    for result in filter(None, anomalies):
        pixels, mask = result
        assert pixels.shape == ground.shape
        np.testing.assert_array_equal(pixels[~mask], ground[~mask])
        assert (pixels != ground).any(axis=-1)[mask].mean() > 0.5


def test_a_patch_and_a_scar_have_the_papers_sizes() -> None:
    ground = np.random.default_rng(0).integers(0, 256, (256, 256, 1)).astype(np.uint8)
    shares = [result[1].mean() for seed in range(200) if (result := anomaly("patch", ground, ground, seed))]
    assert 0.019 < min(shares) < 0.04 < 0.12 < max(shares) < 0.151
    areas = [result[1].sum() for seed in range(200) if (result := anomaly("scar", ground, ground, seed))]
    assert min(areas) >= 2 * 10 * 0.7
    assert max(areas) <= 16 * 25 * 1.2
    for seed in range(20):
        scar = anomaly("scar", ground, ground, seed)
        assert scar is not None
        assert ndimage.label(scar[1])[1] == 1


def test_perlin_noise_is_zero_at_its_corners_and_smooth_between() -> None:
    noise = perlin(64, 64, 4, 4, np.random.default_rng(1))
    np.testing.assert_allclose(noise[::16, ::16], 0, atol=1e-9)
    assert noise.max() == pytest.approx(1)
    assert np.abs(np.diff(noise, axis=1)).max() < 0.25


def test_anomalies_need_no_defect_beside_their_label(store: MemoryStore) -> None:
    lines = make_tiles(store)
    lines_of_edits = edited(store, lines, count=18, shares=SHARES)
    by_sha = {line.file.sha256: line for line in lines}
    good = {line.file.sha256 for line in lines if line.label == "good" and line.split == "train"}
    assert len(lines_of_edits) >= 15
    for line in lines_of_edits:
        assert line.label == "defect"
        assert line.origin.kind == "edited"
        assert set(line.origin.parents) <= good, "no defect has a part in it"
        mask, change = mask_of(store, line), np.abs(pixels_of(store, line) - pixels_of(store, parent(line, by_sha)))
        assert not change[~mask].any()
        assert made_again(store, line, by_sha).picture == store.get(store.key(line.file.uri))


def test_anomalies_are_not_made_where_it_is_not_known_what_to_call_them(store: MemoryStore) -> None:
    lines = [line for line in make_tiles(store) if line.label == "good"]
    with pytest.raises(FailedPrecondition, match="get the one label that defects have"):
        edited(store, lines, shares=SHARES)


def parent(line: ManifestLine, by_sha: dict[str, ManifestLine]) -> ManifestLine:
    return by_sha[line.origin.parents[0]]
