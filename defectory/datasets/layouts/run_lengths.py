"""Masks as run lengths in a cell: `start length start length …`, from 1, down the columns."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from defectory.errors import InvalidInput


@dataclass(frozen=True)
class RunLengths:
    """Runs of faulty pixels, counted from 1: down the first column, then down the next one to the right."""

    path: str  # of the table
    row: int
    runs: str

    def draw(self, root: Path, width: int, height: int) -> Image.Image:
        """See `MaskSource.draw`."""
        where = f"{self.path}, row {self.row}"
        try:
            numbers = np.array(self.runs.split(), dtype=np.int64)
        except (ValueError, OverflowError) as error:
            raise InvalidInput(f"{where}: run lengths are whole numbers: {error}") from error
        if len(numbers) % 2:
            raise InvalidInput(f"{where}: {len(numbers)} numbers; run lengths are pairs of start and length")
        starts, lengths = numbers[::2] - 1, numbers[1::2]
        if (starts < 0).any() or (lengths < 1).any() or (starts > width * height - lengths).any():
            raise InvalidInput(
                f"{where}: run lengths reach beyond the picture of {width}x{height}; starts count from 1"
            )
        edges = np.zeros(width * height + 1, np.int32)
        np.add.at(edges, starts, 1)
        np.add.at(edges, starts + lengths, -1)
        columns = (edges.cumsum()[:-1] > 0).reshape(width, height)
        return Image.fromarray(np.ascontiguousarray(columns.T).astype(np.uint8) * np.uint8(255))
