"""The fine local structure of a picture: what two photographs of one part share, whatever the exposure."""

from dataclasses import dataclass

import numpy as np

CONTRAST_PX = 6.0  # standard deviation of the neighbourhood that local contrast is measured in


@dataclass(frozen=True)
class FineStructure:
    """A descriptor of pictures: logarithm, band-pass, divided by the local contrast.

    The logarithm makes an exposure a constant, the band-pass takes that away and everything coarse (outline, light),
    and the division makes a faint mark count as much as a strong one.

    Args:
        near_px, far_px: standard deviations of the two Gaussians whose difference is the band.
        size_px: to which a picture is stretched first.
        border_px: left out all around: the band-pass knows no neighbours there.
    """

    near_px: float
    far_px: float
    border_px: int
    size_px: int = 64

    @property
    def side_px(self) -> int:
        """Of what is described."""
        return self.size_px - 2 * self.border_px

    def describe(self, grey: np.ndarray) -> np.ndarray:
        """The structure of a grey picture, uint8 (height, width): float32 (side_px, side_px)."""
        import cv2  # not every service has it

        small = np.log1p(cv2.resize(grey, (self.size_px,) * 2, interpolation=cv2.INTER_AREA).astype(np.float32))
        band = cv2.GaussianBlur(small, (0, 0), self.near_px) - cv2.GaussianBlur(small, (0, 0), self.far_px)
        contrast = np.sqrt(cv2.GaussianBlur(band * band, (0, 0), CONTRAST_PX)) + 1e-3
        inner = slice(self.border_px, self.size_px - self.border_px)
        return np.asarray((band / (contrast + np.median(contrast)))[inner, inner], np.float32)
