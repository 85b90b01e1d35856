"""The eight ways in which a picture can lie, by their EXIF numbers."""

from collections.abc import Callable, Mapping

import numpy as np

# EXIF orientation -> from pixels as stored, (H, W) or (H, W, C), to pixels as they are to be seen.
UPRIGHTED: Mapping[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda x: x,
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: np.swapaxes(x, 0, 1),
    6: lambda x: np.rot90(x, -1),
    7: lambda x: np.swapaxes(x[::-1, ::-1], 0, 1),
    8: lambda x: np.rot90(x, 1),
}
