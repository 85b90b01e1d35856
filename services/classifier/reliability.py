"""The reliability diagram as SVG: accuracy against confidence in 15 bins, before and after the temperature."""

import numpy as np

from services.classifier.acceptance import Answers
from services.classifier.calibration import BINS, Bin, reliability
from services.classifier.card import Calibration
from services.classifier.decision import calibrated

SIDE, LEFT, TOP, BELOW, GAP = 240, 50, 44, 99, 44  # of a panel, in SVG units
BAR, LINE, INK = "#4878a8", "#666666", "#1c2430"
ENOUGH = 10  # images, from which a bin's bar is drawn in full colour: an accuracy of fewer is hardly known
PALEST = 0.15
TICKS = (0, 0.25, 0.5, 0.75, 1)


def reliability_svg(validation: Answers, calibration: Calibration) -> bytes:
    """Two panels side by side: the network's own probabilities, and the calibrated ones."""
    fair = calibrated(validation.probabilities, calibration.temperature)
    error = calibration.validation
    panels = [
        _panel(0, validation.labels, validation.probabilities, f"as trained: ECE {error.ece_before:.3f}"),
        _panel(1, validation.labels, fair, f"temperature {calibration.temperature:.2f}: ECE {error.ece_after:.3f}"),
    ]
    width, height = 2 * (SIDE + LEFT) + GAP, SIDE + TOP + BELOW
    images = f"{error.images} validation image{'s' * (error.images != 1)}"
    said = (
        f"bar: share of right answers; under it: images; line: its 95% interval; pale: fewer than {ENOUGH} images",
        f"measured on the {images} that the temperature was fitted on:",
        "believe the error on the test images",
    )
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="sans-serif" font-size="11" fill="{INK}">'
        f"<title>Reliability on {images}</title>"
    )
    foot = "".join(
        f'<text x="{LEFT}" y="{height - 39 + 15 * number}">{text}</text>' for number, text in enumerate(said)
    )
    return (head + "".join(panels) + foot + "</svg>\n").encode()


def _panel(number: int, labels: np.ndarray, probabilities: np.ndarray, title: str) -> str:
    left = LEFT + number * (SIDE + LEFT + GAP // 2)
    right, bottom = left + SIDE, TOP + SIDE
    parts = [f'<text x="{left}" y="{TOP - 14}" font-size="13">{title}</text>']
    parts += [_bin(left, one) for one in reliability(labels, probabilities)]
    parts += [
        f'<rect x="{left}" y="{TOP}" width="{SIDE}" height="{SIDE}" fill="none" stroke="{LINE}"/>',
        f'<line x1="{left}" y1="{bottom}" x2="{right}" y2="{TOP}" stroke="{LINE}" stroke-dasharray="4 3"/>',
        f'<text x="{left + SIDE / 2}" y="{bottom + 42}" text-anchor="middle">confidence</text>',
        f'<text transform="translate({left - 34} {TOP + SIDE / 2}) rotate(-90)" text-anchor="middle">accuracy</text>',
    ]
    for tick in TICKS:
        parts += [
            f'<text x="{left + tick * SIDE:.1f}" y="{bottom + 27}" text-anchor="middle">{tick:.0%}</text>',
            f'<text x="{left - 4}" y="{bottom - tick * SIDE + 4:.1f}" text-anchor="end">{tick:.0%}</text>',
        ]
    return "".join(parts)


def _bin(left: float, one: Bin) -> str:
    """A bin's bar, how far its height is known, and of how many images."""
    step, bottom, count, accuracy = SIDE / BINS, TOP + SIDE, one.images, one.accuracy
    low, high = one.interval
    says = f"{count} image{'s' * (count != 1)}, confidence {one.confidence:.2f}, accuracy {accuracy:.2f}"
    x, middle = left + one.low * SIDE, left + one.low * SIDE + step / 2
    opacity = max(PALEST, min(1.0, count / ENOUGH))
    return (
        f"<g><title>{says} [{low:.2f}, {high:.2f}]</title>"
        f'<rect x="{x:.1f}" y="{bottom - accuracy * SIDE:.1f}" width="{step - 1:.1f}" height="{accuracy * SIDE:.1f}" '
        f'fill="{BAR}" fill-opacity="{opacity:.2f}"/>'
        f'<line x1="{middle:.1f}" y1="{bottom - low * SIDE:.1f}" x2="{middle:.1f}" y2="{bottom - high * SIDE:.1f}" '
        f'stroke="{INK}"/>'
        f'<text x="{middle:.1f}" y="{bottom + 12}" text-anchor="middle" font-size="9">{count}</text></g>'
    )
