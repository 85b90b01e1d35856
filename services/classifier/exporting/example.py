"""One picture beside an exported model, with its answer, and the answers that whoever feeds it wrongly would get.

Input ranges are what goes wrong first: an application that scales, or has its colours the other way round, gets
probabilities all the same. It sees by this picture that it does, and which mistake it is.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

FILE = "example.png"
CANDIDATES = 16  # test images among which the most telling one is looked for
MISTAKES: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "scaled to 0..1": lambda pixels: pixels / np.float32(255),
    "scaled to -1..1": lambda pixels: pixels / np.float32(127.5) - 1,
    "blue, green, red": lambda pixels: pixels[..., ::-1],
}
SENTENCE = {
    "float32": "Feed the pixels' values as they are, red, green, blue, from 0 to 255, as float32, and scale nothing: "
    "the graph itself makes them -1 to 1 (scaled_to).",
    "uint8": "Feed the pixels' bytes as they are, red, green, blue, from 0 to 255, as uint8, and scale nothing: "
    "the graph itself makes them -1 to 1 (scaled_to).",
}


@dataclass(frozen=True)
class Example:
    """A picture of the model's own input size, so that nothing is resized.

    Attributes:
        png: its file, RGB. answer: the export's probabilities (labels,) of it.
        mistakes: what was done to the pixels -> the probabilities that came of it.
    """

    png: bytes
    answer: np.ndarray
    mistakes: Mapping[str, np.ndarray]

    def described(self, labels: Sequence[str], tolerance: float) -> dict[str, object]:
        """As `export.json` has it; answers of two runtimes lie within the tolerance of each other."""
        return {
            "file": FILE,
            "probabilities": _named(labels, self.answer),
            "tolerance": tolerance,
            "probabilities_of_mistakes": {
                name: _named(labels, row)
                for name, row in self.mistakes.items()
                if np.abs(row - self.answer).max() > tolerance  # grey has no order of colours
            },
        }


def example(pixels: np.ndarray, run: Callable[[np.ndarray], np.ndarray], fed: np.dtype[np.generic]) -> Example:
    """The one of the first images whose answer mistakes of scale change most.

    Args:
        pixels: uint8 (N, size, size, 3), at least one. run: the export, on values of the type that it is fed with.
        fed: float32 or uint8. Bytes cannot hold what is scaled to a fraction: there colours alone can be mistaken.
    """
    images = pixels[:CANDIDATES]
    possible = {name: to for name, to in MISTAKES.items() if fed != np.uint8 or to(images).dtype == np.uint8}
    answers = run(images)
    mistaken = {name: run(to(images.astype(fed))) for name, to in possible.items()}
    off = {name: np.abs(rows - answers).max(axis=1) for name, rows in mistaken.items()}
    scaled = [rows for name, rows in off.items() if name.startswith("scaled")] or list(off.values())
    best = int(np.min(scaled, axis=0).argmax())
    buffer = io.BytesIO()
    Image.fromarray(images[best]).save(buffer, "PNG")
    return Example(buffer.getvalue(), answers[best], {name: rows[best] for name, rows in mistaken.items()})


def _named(labels: Sequence[str], row: np.ndarray) -> dict[str, float]:
    return {label: round(float(p), 6) for label, p in zip(labels, row, strict=True)}
