"""Whether pictures are copies of training images: compared place by place, whatever noise, blur or shift lies between.

The features of `features.py` say what a surface is like, and hear noise, blur and shifts of a pixel as loudly as
another part. Here a picture is reduced to 64 px, smoothed, its brightness and contrast are taken out, and two are
compared at the best of nine shifts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SIDE_PX = 64  # larger pictures are reduced to about that
SMOOTH_PX = 1.5  # standard deviation
REACH_PX = 4  # of the smoothing to either side
CONTRAST_FLOOR = 2.0  # levels: what is flatter is not stretched up to its noise
SHIFTS = (0, 1, 2)  # of a window that is two pixels smaller
STRIDE = 2  # smoothed pictures say little in between
BLOCK = 1024  # training images compared at once
SAMPLE = 500  # training images whose distances to the others are measured
UNRELATED = 1.0  # about the distance of pictures that share nothing, where there is but one training image
COPY_SHARE = 0.3  # of the usual distance between training images of different parts: nearer is a copy


@dataclass(frozen=True)
class Memory:
    """How near pictures come to training images."""

    nearest_ratio: float  # median distance to the nearest training image, against that between training images
    copies: float  # share of pictures that are copies of one


NOTHING_KNOWN = Memory(nearest_ratio=1.0, copies=0.0)  # of held-out images, where there are too few to say anything


class TrainingImages:
    """Training images, and how far those of different parts are from each other.

    Shapes:
        pixels: (N, R, R, C) uint8, R a multiple of 8

    Args:
        parts: of every image, which part it shows; absent: each another one.
        mirror_y: images upside down are theirs as well, as those mirrored left to right always are.
    """

    def __init__(self, pixels: np.ndarray, parts: Sequence[str] = (), *, mirror_y: bool = False) -> None:
        looks = outline(pixels)
        self._ways = [looks, looks[:, :, ::-1], *((looks[:, ::-1], looks[:, ::-1, ::-1]) if mirror_y else ())]
        self._spacing = self._typical_distance(np.array(parts or range(len(pixels))))

    def memory(self, pixels: np.ndarray) -> Memory:
        """How near pictures (M, R, R, C) uint8 come to them."""
        nearest = self._nearest(outline(pixels))
        return Memory(float(np.median(nearest)) / self._spacing, float((nearest < COPY_SHARE * self._spacing).mean()))

    def _typical_distance(self, parts: np.ndarray) -> float:
        """Median over images of the distance to the nearest one of another part: a part that is there twice does not
        count, and some that are taken for two move the median little."""
        sample = np.unique(np.linspace(0, len(parts) - 1, min(len(parts), SAMPLE)).astype(int))
        alone = len(np.unique(parts)) == 1  # all of them show one part: then it is each image that differs
        same = sample[:, None] == np.arange(len(parts)) if alone else parts[sample][:, None] == parts
        apart = self._nearest(self._ways[0][sample], same)
        return max(float(np.median(apart)), 1e-6) if len(parts) > 1 else UNRELATED

    def _nearest(self, looks: np.ndarray, left_out: np.ndarray | None = None) -> np.ndarray:
        """Distance of each picture's outline (M, S, S) to the nearest, but for pairs (M, N) left out: (M,)."""
        middle = _window(looks, 1, 1)
        nearest = np.full(len(looks), np.inf)
        for way in self._ways:
            for start in range(0, len(way), BLOCK):
                block = way[start : start + BLOCK]
                for down in SHIFTS:
                    for across in SHIFTS:
                        squares = _mean_squares(middle, _window(block, down, across))
                        if left_out is not None:
                            squares[left_out[:, start : start + BLOCK]] = np.inf
                        nearest = np.minimum(nearest, squares.min(axis=1))
        distances: np.ndarray = np.sqrt(nearest)
        return distances


def outline(pixels: np.ndarray) -> np.ndarray:
    """What is where in pictures (N, R, R, C) uint8, without brightness and contrast: (N, S, S) float32."""
    grey = pixels.mean(axis=3, dtype=np.float32)
    step = max(1, grey.shape[1] // SIDE_PX)
    side = grey.shape[1] // step
    small = grey[:, : side * step, : side * step].reshape(len(grey), side, step, side, step).mean(axis=(2, 4))
    smooth = _smoothed(_smoothed(small, 1), 2)
    smooth -= smooth.mean(axis=(1, 2), keepdims=True)
    smooth /= smooth.std(axis=(1, 2), keepdims=True) + CONTRAST_FLOOR
    return smooth


def _smoothed(maps: np.ndarray, axis: int) -> np.ndarray:
    """Maps (N, S, S) smoothed along an axis, as if they went on with what is at their border."""
    offsets = np.arange(-REACH_PX, REACH_PX + 1)
    weights = np.exp(-0.5 * (offsets / SMOOTH_PX) ** 2)
    weights /= weights.sum()
    wide = np.pad(maps, [(REACH_PX, REACH_PX) if at == axis else (0, 0) for at in range(3)], mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(wide, len(offsets), axis=axis)
    return np.asarray(windows @ weights.astype(np.float32))


def _window(looks: np.ndarray, down: int, across: int) -> np.ndarray:
    """The outlines but for a border of two pixels in all, as rows (N, F)."""
    side = looks.shape[1] - SHIFTS[-1]
    return looks[:, down : down + side : STRIDE, across : across + side : STRIDE].reshape(len(looks), -1)


def _mean_squares(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Mean squared differences of rows (M, F) and (N, F): (M, N)."""
    squares = (x * x).sum(axis=1)[:, None] + (y * y).sum(axis=1)[None] - 2 * x @ y.T
    means: np.ndarray = np.maximum(squares, 0) / x.shape[1]
    return means
