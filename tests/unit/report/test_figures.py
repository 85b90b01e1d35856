"""The charts show no figure that cannot be."""

import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from orchestrator.report.documents import Metrics
from orchestrator.report.figures import curves


def drawn(*cycles: float) -> Figure:
    """Curves of an arm whose figures are these of its cycles, in both epochs; its loss is what lacks to 1."""
    epochs = [[{"validation": {"loss": 1 - x, "accuracy": x, "f1": x}}] * 2 for x in cycles]
    metrics = Metrics.model_validate({"cycles": [{"epochs": cycle} for cycle in epochs]})
    return curves({"arm": metrics}, {"arm": "#123456"}, "validation").figure


@pytest.mark.parametrize("cycles", [(0.2, 1.0, 1.0), (0.0, 0.0, 0.9), (1.0, 1.0, 1.0), (1.0, 0.0)])
def test_bands_and_axes_stay_where_the_figures_can_lie(cycles: tuple[float, ...]) -> None:
    loss, *shares = drawn(*cycles).axes
    for axis, highest in [(loss, np.inf), *((axis, 1) for axis in shares)]:
        bands = [np.asarray(path.vertices) for x in axis.collections for path in x.get_paths()]
        shown = np.concatenate([axis.get_ylim(), *(band[:, 1] for band in bands)])
        assert 0 <= shown.min() <= shown.max() <= highest


@pytest.mark.parametrize(("cycles", "lines", "bands"), [((0.5, 0.9), 2, 0), ((0.5, 0.6, 0.9), 1, 1)])
def test_few_cycles_are_drawn_one_by_one(cycles: tuple[float, ...], lines: int, bands: int) -> None:
    figure = drawn(*cycles)
    for axis in figure.axes:
        assert len(axis.lines) == lines
        assert len([x for x in axis.collections if isinstance(x, PolyCollection)]) == bands
    legend = figure.axes[0].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["arm"]
