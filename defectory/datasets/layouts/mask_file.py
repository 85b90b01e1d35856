"""A mask that lies in a file of its own."""

from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from defectory.imaging import decode


@dataclass(frozen=True)
class MaskFile:
    """A picture whose bright pixels are the defect."""

    path: str  # relative to the ingested folder

    def draw(self, root: Path, width: int, height: int) -> Image.Image:
        """See `MaskSource.draw`."""
        return decode((root / self.path).read_bytes()).convert("L")
