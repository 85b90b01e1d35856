"""Pictures over time as an animated WebP: every browser shows it, and Pillow writes it without another program."""

import io

import numpy as np
from PIL import Image, features

from defectory.errors import FailedPrecondition, InvalidInput

MAX_SIDE = 16_383  # of the format
QUALITY = 90


def check_available() -> None:
    """See that animated WebP can be written.

    Raises:
        FailedPrecondition: this Pillow was built without it.
    """
    if not features.check("webp"):
        raise FailedPrecondition("this Pillow was built without WebP; install a wheel of it")


def encode_webp(frames: np.ndarray, fps: float) -> bytes:
    """Encode pictures that follow each other, and repeat without end.

    Args:
        frames: grey, RGB or RGBA; transparency is kept.
        fps: pictures a second, above 0 and at most 1000; the format counts in whole milliseconds.

    Shapes:
        frames: (T, H, W, C) uint8, C 1, 3 or 4; T at least 1

    Raises:
        InvalidInput: nothing that can be encoded; names what is wrong.
        FailedPrecondition: this Pillow was built without WebP.
    """
    check_available()
    if frames.ndim != 4 or frames.dtype != np.uint8 or frames.shape[3] not in (1, 3, 4) or not len(frames):
        right = "(T, H, W, C) uint8 with C 1, 3 or 4 and at least one picture"
        raise InvalidInput(f"frames are {frames.shape} {frames.dtype}: {right}", {"frames": right})
    if not 0 < max(frames.shape[1:3]) <= MAX_SIDE:
        right = f"1 to {MAX_SIDE} pixels a side"
        raise InvalidInput(f"frames of {frames.shape[2]}x{frames.shape[1]}: {right}", {"frames": right})
    if not 0 < fps <= 1000:
        raise InvalidInput(f"fps is {fps}: above 0 and at most 1000", {"fps": "above 0 and at most 1000"})
    first, *others = (
        Image.fromarray(np.repeat(frame, 3, axis=2) if frame.shape[2] == 1 else frame) for frame in frames
    )
    # Only whole frames keep their transparency where the first one has none: the file would be declared opaque.
    whole = {"kmax": 1} if first.mode == "RGBA" else {}
    buffer = io.BytesIO()
    first.save(
        buffer,
        format="WEBP",
        save_all=True,
        append_images=others,
        duration=max(1, round(1000 / fps)),
        loop=0,
        quality=QUALITY,
        method=4,
        **whole,
    )
    return buffer.getvalue()
