"""How much of its images a page holds: as much as keeps it small enough to be sent."""

from dataclasses import dataclass

MAX_BYTES = 15_000_000  # of a page
JPEG = "image/jpeg"


@dataclass(frozen=True)
class Detail:
    """One step between everything and no images at all.

    Attributes:
        images: of a sheet. tile_px, panel_px: longest side of one, and of a test image with its heat map.
        panels: test images with their heat maps.
    """

    images: int
    tile_px: int
    panel_px: int
    panels: int

    @property
    def in_words(self) -> str:
        """What the page says of itself; empty where nothing is left out."""
        if self is FULL:
            return ""
        what = "no images" if not self.images else f"at most {self.images} images a sheet, {self.tile_px} px wide"
        return (
            f"So that this file stays below {MAX_BYTES // 1_000_000} MB it holds {what}, and heat maps of "
            f"{self.panels or 'no'} test images; the files beside it hold more."
        )


FULL = Detail(24, 192, 320, 8)
DETAILS = (  # the first that fits is shown
    FULL, Detail(24, 96, 320, 8), Detail(12, 96, 240, 8), Detail(6, 64, 160, 4), Detail(2, 64, 160, 4),
    Detail(0, 64, 160, 0),
)  # fmt: skip
