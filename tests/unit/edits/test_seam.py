"""The seam's probe: it sees a pasted edge, and none where a defect was set back where it came from."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from defectory.probe import Sample, probe
from orchestrator.edits.blending import level_of
from orchestrator.edits.seam import Border, border_figures, seam_of
from tests.unit.edits.tiles import HEIGHT, WIDTH, spot, tile


def borders(edge: int, count: int = 60) -> list[Border]:
    """Pairs of spots, of which the edited ones have a bright edge of so many grey levels."""
    random = np.random.default_rng(2)
    borders = []
    for number in range(count):
        for edited in (True, False):
            pixels = tile(random)
            mask = spot(pixels, 60, 48, 8)
            if edited and edge:
                around = spot(np.zeros_like(pixels), 60, 48, 9) & ~mask
                pixels[around] = np.clip(pixels[around].astype(int) + edge, 0, 255)
            borders.append(Border(border_figures(pixels, mask), f"part-{number}", edited))
    return borders


def test_an_edge_is_seen_and_no_edge_is_not() -> None:
    seen, unseen = seam_of(borders(40)), seam_of(borders(0))
    assert seen is not None
    assert unseen is not None
    assert float(str(seen["auroc"])) > 0.95
    assert float(str(unseen["auroc"])) < 0.65
    assert (seen["pairs"], seen["wanted"]) == (60, 0.6)


def test_of_few_parts_nothing_is_said() -> None:
    assert seam_of([]) is None
    assert seam_of(borders(40, count=9)) is None


def test_a_bright_and_a_dark_photograph_of_one_border_have_the_same_figures() -> None:
    random = np.random.default_rng(0)
    pixels = tile(random)
    mask = spot(pixels, 60, 48, 8)
    darker = np.round(pixels * 0.6).astype(np.uint8)
    assert border_figures(darker, mask) == pytest.approx(border_figures(pixels, mask), abs=0.15)


def test_a_part_that_both_kinds_show_is_in_one_fold() -> None:
    """Features that say which part it is, and nothing of the kind: in two folds they would be known already."""
    random = np.random.default_rng(0)
    own = random.normal(0, 1, (40, 30)) * 5
    shift = random.choice([-1.0, 1.0], (40, 1))  # which of the two is higher is the part's own
    real, edited = own + shift * 0.5, own - shift * 0.5
    parts = [f"p{n}" for n in range(40)]
    probed = probe(Sample(real, parts), Sample(edited, parts))
    assert probed is not None
    assert probed.low <= 0.5 <= probed.high
    scores = np.concatenate([real, edited]) @ np.ones(30)
    assert roc_auc_score([0] * 40 + [1] * 40, scores) == pytest.approx(0.5, abs=0.1), "nothing is there to be seen"


def test_a_level_goes_on_under_what_is_not_known() -> None:
    slope = np.linspace(50, 150, WIDTH)[None, :, None] * np.ones((HEIGHT, 1, 1))
    pixels, known = slope.astype(np.float32), np.ones((HEIGHT, WIDTH), np.float32)
    pixels[40:60, 50:70], known[40:60, 50:70] = 0, 0
    level = level_of(pixels, known)
    assert np.abs(level - slope)[40:60, 50:70].max() < 12
