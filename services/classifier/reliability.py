"""The reliability diagram as SVG: accuracy against confidence in 15 bins, before and after the temperature."""

import numpy as np

from services.classifier.acceptance import Answers
from services.classifier.calibration import BINS, reliability
from services.classifier.card import Calibration
from services.classifier.decision import calibrated

SIDE, MARGIN, GAP = 220, 46, 40  # of a panel, in SVG units
BAR, MISSING, LINE = "#4878a8", "#d8a0a0", "#666666"


def reliability_svg(validation: Answers, calibration: Calibration) -> bytes:
    """Two panels side by side: the network's own probabilities, and the calibrated ones."""
    fair = calibrated(validation.probabilities, calibration.temperature)
    error = calibration.validation
    panels = [
        _panel(0, validation.labels, validation.probabilities, f"as trained: ECE {error.ece_before:.3f}"),
        _panel(1, validation.labels, fair, f"temperature {calibration.temperature:.2f}: ECE {error.ece_after:.3f}"),
    ]
    width, height = 2 * (SIDE + MARGIN) + GAP, SIDE + 2 * MARGIN
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="11">'
        f"<title>Reliability on {error.images} validation images</title>"
    )
    return (head + "".join(panels) + "</svg>\n").encode()


def _panel(number: int, labels: np.ndarray, probabilities: np.ndarray, title: str) -> str:
    left, top = MARGIN + number * (SIDE + MARGIN + GAP // 2), MARGIN
    step = SIDE / BINS
    parts = [f'<text x="{left}" y="{top - 12}">{title}</text>']
    for index, (count, confidence, accuracy) in enumerate(reliability(labels, probabilities)):
        if not count:
            continue
        x, tall, should = left + index * step, accuracy * SIDE, confidence * SIDE
        says = f"{count} images, confidence {confidence:.2f}, accuracy {accuracy:.2f}"
        parts.append(f"<g><title>{says}</title>{_bar(x, top, step, tall, BAR)}{_gap(x, top, step, tall, should)}</g>")
    right, bottom = left + SIDE, top + SIDE
    parts += [
        f'<rect x="{left}" y="{top}" width="{SIDE}" height="{SIDE}" fill="none" stroke="{LINE}"/>',
        f'<line x1="{left}" y1="{bottom}" x2="{right}" y2="{top}" stroke="{LINE}" stroke-dasharray="4 3"/>',
        f'<text x="{left}" y="{bottom + 14}">0</text><text x="{right - 8}" y="{bottom + 14}">1</text>',
        f'<text x="{left + SIDE / 2 - 30}" y="{bottom + 28}">confidence</text>',
        f'<text transform="translate({left - 10} {top + SIDE / 2 + 24}) rotate(-90)">accuracy</text>',
    ]
    return "".join(parts)


def _bar(x: float, top: float, step: float, tall: float, colour: str) -> str:
    y = top + SIDE - tall
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{step - 1:.1f}" height="{tall:.1f}" fill="{colour}"/>'


def _gap(x: float, top: float, step: float, tall: float, should: float) -> str:
    y = top + SIDE - max(tall, should)
    height = abs(should - tall)
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{step - 1:.1f}" height="{height:.1f}" fill="{MISSING}" '
        'fill-opacity="0.6"/>'
    )
