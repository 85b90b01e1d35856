"""A mask that lies in a file of its own."""

from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from defectory.datasets.masks import read_mask


@dataclass(frozen=True)
class MaskFile:
    """A file that marks the defect, as `defectory.datasets.masks` reads it."""

    path: str  # relative to the ingested folder

    def draw(self, root: Path, width: int, height: int) -> Image.Image:
        """See `MaskSource.draw`."""
        return read_mask((root / self.path).read_bytes(), width, height)
