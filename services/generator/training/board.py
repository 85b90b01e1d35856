"""TensorBoard's event files of a training, in the store: one for each stretch between two snapshots.

An object in the store cannot grow, and TensorBoard reads all the files of a folder in the order of their names. A
stretch that is computed again after a kill takes the place of the one before.
"""

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from tensorboardX import SummaryWriter

from defectory.errors import Exhausted
from defectory.storage import ObjectStore

TAGS: Mapping[str, str] = {  # where a value is shown; others under "training"
    "loss_g": "loss", "loss_d": "loss", "r1": "loss", "path_length": "loss",
    "p": "augmentation", "r_t": "augmentation", "leaks": "augmentation",
    "kid": "held-out", "kid_low": "held-out", "kid_high": "held-out", "precision": "held-out", "recall": "held-out",
    "density": "held-out", "coverage": "held-out", "coverage_low": "held-out", "coverage_high": "held-out",
    "diversity": "held-out", "nearest_ratio": "held-out", "copies": "held-out",
}  # fmt: skip


class Board:
    """Takes values while a training goes on, and writes them when told to.

    Args:
        prefix: where the model's version lies, ending in '/'.
    """

    def __init__(self, store: ObjectStore, prefix: str) -> None:
        self._store = store
        self._prefix = f"{prefix}events/"
        self._scalars: list[tuple[int, float, Mapping[str, float]]] = []  # images seen, time, values
        self._pictures: list[tuple[int, float, np.ndarray]] = []

    def add(self, images_seen: int, values: Mapping[str, float]) -> None:
        """Take values by name."""
        self._scalars.append((images_seen, time.time(), dict(values)))

    def add_sheet(self, images_seen: int, sheet: np.ndarray) -> None:
        """Take a picture (H, W, C) uint8."""
        self._pictures.append((images_seen, time.time(), sheet))

    def write(self, images_seen: int) -> str:
        """Write what was taken since the last time as one event file, and return its key; empty if there is nothing.

        Raises:
            Unavailable, Exhausted, Refused: the store; all is kept for the next time.
        """
        if not self._scalars and not self._pictures:
            return ""
        key = f"{self._prefix}events.out.tfevents.{images_seen:012d}.defectory"
        self._store.put(key, self._encoded())
        self._scalars, self._pictures = [], []
        return key

    def _encoded(self) -> bytes:
        try:
            with tempfile.TemporaryDirectory() as folder:
                with SummaryWriter(folder) as writer:
                    for step, moment, values in self._scalars:
                        for name, value in values.items():
                            writer.add_scalar(
                                f"{TAGS.get(name.split('/')[0], 'training')}/{name}", value, step, walltime=moment
                            )
                    for step, moment, picture in self._pictures:
                        writer.add_image("samples", picture, step, walltime=moment, dataformats="HWC")
                (file,) = Path(folder).iterdir()
                return file.read_bytes()
        except OSError as error:
            raise Exhausted(f"no event file can be written in {tempfile.gettempdir()}: {error}") from error
