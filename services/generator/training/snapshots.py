"""What a person looks at: sheets of fixed seeds, the history of the metrics, a video of the sheets over time."""

import json
from collections.abc import Sequence

import numpy as np
import structlog
from PIL import Image

from defectory.errors import DefectoryError
from defectory.imaging import decode, encode_png
from defectory.imaging.sheet import contact_sheet
from defectory.storage import ObjectStore
from defectory.storage.store import NOT_NOW
from services.generator.rendering import colours_of, render
from services.generator.stylegan2.networks import Generator
from services.generator.training.snapshot_judge import Snapshot
from services.generator.video import encode_webp

SHEET_SEEDS = range(32)
SHEET_COLUMNS = 8
HISTORY = "metrics.jsonl"
VIDEO = "training.webp"
MAX_FRAMES, MAX_FRAME_PX = 120, 1024  # of the video; more are left out, larger ones reduced
VIDEO_S = 8.0  # at most so long, at 10 pictures a second at most
MAX_FPS = 10.0

log = structlog.get_logger(__name__)


def draw_sheet(generator: Generator) -> np.ndarray:
    """What a generator makes of fixed seeds, masks below their pictures: (H, W, C) uint8."""
    images = render(generator, SHEET_SEEDS, truncation_psi=1.0, noise_mode="const")
    pictures = colours_of(images, generator.architecture)
    if generator.architecture.mask:
        pictures = np.concatenate([pictures, np.broadcast_to(images[..., -1:], pictures.shape)], axis=1)
    return contact_sheet(pictures, SHEET_COLUMNS)


def write_sheet(store: ObjectStore, prefix: str, images_seen: int, picture: np.ndarray) -> str:
    """Write a sheet and return its object key."""
    key = f"{prefix}samples/{images_seen:012d}.png"
    store.put(key, encode_png(picture))
    return key


def write_history(store: ObjectStore, prefix: str, history: Sequence[Snapshot]) -> str:
    """Write the whole history, one line of JSON a snapshot, and return its object key."""
    key = f"{prefix}{HISTORY}"
    store.put(key, "".join(json.dumps(snapshot.line()) + "\n" for snapshot in history).encode())
    return key


def write_video(store: ObjectStore, prefix: str) -> str:
    """Write a video of the sheets that are there and return its object key; empty, and a warning, where there is none.

    Raises:
        Unavailable, Exhausted, Refused: the store is away, full or closed, which passes.
    """
    keys = [info.key for info in store.list(f"{prefix}samples/") if info.key.endswith(".png")]
    chosen = [keys[i] for i in np.unique(np.linspace(0, len(keys) - 1, min(len(keys), MAX_FRAMES)).astype(int))]
    try:
        frames = np.stack([_frame(store, key) for key in chosen])
        store.put(f"{prefix}{VIDEO}", encode_webp(frames, min(MAX_FPS, max(1.0, len(frames) / VIDEO_S))))
    except NOT_NOW:
        raise
    except (DefectoryError, ValueError) as error:  # a model is worth more than its video
        log.warning("there is no video of the training", error=str(error))
        return ""
    return f"{prefix}{VIDEO}"


def _frame(store: ObjectStore, key: str) -> np.ndarray:
    """A sheet as a frame (H, W, 3)."""
    picture = decode(store.get(key)).convert("RGB")
    picture.thumbnail((MAX_FRAME_PX, MAX_FRAME_PX), Image.Resampling.BOX)
    return np.asarray(picture)
