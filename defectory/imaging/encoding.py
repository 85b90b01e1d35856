"""An image as PNG: the same pixels give the same bytes."""

import io

import numpy as np
from PIL import Image

from defectory.errors import InvalidInput


def encode_png(image: Image.Image | np.ndarray) -> bytes:
    """Encode an image as PNG: the same pixels give the same bytes (no metadata, fixed compression).

    Behind PNG's own filters little is left to search for: the quick level makes files about a tenth larger than the
    usual one, in a third of the time.

    Args:
        image: "L", "RGB" or "RGBA", or a uint8 array of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4).

    Raises:
        InvalidInput: another mode, type or shape.
    """
    if isinstance(image, np.ndarray):
        bare = _from_array(image)
    elif image.mode in ("L", "RGB", "RGBA"):
        bare = _without_metadata(image)
    else:
        raise InvalidInput(f"an image of mode {image.mode} cannot be stored; convert it to L, RGB or RGBA")
    buffer = io.BytesIO()
    bare.save(buffer, "PNG", compress_level=1, optimize=False)
    return buffer.getvalue()


def _without_metadata(image: Image.Image) -> Image.Image:
    bare = image.copy()
    bare.info = {}
    return bare


def _from_array(pixels: np.ndarray) -> Image.Image:
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    if pixels.dtype != np.uint8 or pixels.size == 0 or not (pixels.ndim == 2 or pixels.shape[2:] in ((3,), (4,))):
        raise InvalidInput(
            f"an array {pixels.dtype}{pixels.shape} is no image: use uint8 (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)"
        )
    return Image.fromarray(np.ascontiguousarray(pixels))
