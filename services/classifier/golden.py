"""Answers that a classifier gave when it was trained: whoever is to serve it sees that it gives them still.

Most inputs are computed, always alike and without a random generator, whose numbers a new version may change. One is a
file, which shows that decoder and preprocessing are the training's too; it lies in the card, since encoders differ.
"""

import base64
import binascii
import io
from collections.abc import Callable

import numpy as np
import structlog
from PIL import Image

from defectory.errors import Corrupted, InvalidInput
from services.classifier.card import ClassifierCard, Golden, Preprocessing

MAX_DIFFERENCE = 1e-3  # of a probability: another processor adds in another order
FILE_PX = 160, 120
Answer = Callable[[np.ndarray], np.ndarray]  # images (N, size, size, 3) in [0, 255] -> probabilities (N, labels)

log = structlog.get_logger(__name__)


def record(answer: Answer, preprocessing: Preprocessing, size_px: int) -> Golden:
    """The network's own answers, before calibration, to the golden inputs."""
    buffer = io.BytesIO()
    Image.fromarray(_scene(*FILE_PX).astype(np.uint8)).save(buffer, "JPEG", quality=85)
    file = buffer.getvalue()
    answers = answer(_inputs(file, preprocessing, size_px))
    rows = tuple(tuple(float(p) for p in row) for row in answers)
    return Golden(jpeg=base64.b64encode(file).decode(), probabilities=rows)


def check_golden(card: ClassifierCard, answer: Answer) -> None:
    """Compare what computes the network to those in its card; a card without any is taken as it is, and told of.

    Raises:
        Corrupted: answers are others than when it was trained.
    """
    if card.golden is None:
        log.warning("classifier has no golden answers to be checked by", model=card.full_name)
        return
    try:
        file = base64.b64decode(card.golden.jpeg, validate=True)
        images = _inputs(file, card.preprocessing, card.architecture.input_px)
    except (binascii.Error, InvalidInput) as error:
        raise Corrupted(f"the golden input in the card of classifier {card.full_name} is no JPEG: {error}") from error
    worst = float(np.abs(answer(images) - np.array(card.golden.probabilities)).max())
    if not worst <= MAX_DIFFERENCE:
        raise Corrupted(
            f"classifier {card.full_name} answers its golden inputs up to {worst:.2g} away from its answers when it "
            f"was trained, more than {MAX_DIFFERENCE:g}: its card was changed, or this machine's software computes "
            "otherwise; train it again"
        )


def _inputs(file: bytes, preprocessing: Preprocessing, size_px: int) -> np.ndarray:
    """float32 (4, size, size, 3) in [0, 255]: the file, grain, checks, a flat grey."""
    x, y = np.meshgrid(np.arange(size_px), np.arange(size_px))
    grain = np.stack([(x * x * 31 + y * y * 17 + x * y * 7 + shift) % 251 for shift in (0, 83, 166)], axis=-1)
    checks = np.repeat(((x // 8 + y // 8) % 2 * 255)[..., None], 3, axis=-1)
    flat = np.full((size_px, size_px, 3), 128)
    return np.stack([preprocessing.input_of(file, size_px), grain, checks, flat]).astype(np.float32)


def _scene(width: int, height: int) -> np.ndarray:
    """A bright part with a dark spot before a shaded ground, (height, width, 3) in [0, 255]."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    ground = np.stack([40 + x // 4, 60 + y // 4, 80 + (x + y) // 8], axis=-1)
    part = (x - width // 2) ** 2 + (y - height // 2) ** 2 < (height // 3) ** 2
    spot = (x - width // 2 - 12) ** 2 + (y - height // 2 + 9) ** 2 < (height // 12) ** 2
    return np.where(spot[..., None], 30, np.where(part[..., None], 200, ground))
