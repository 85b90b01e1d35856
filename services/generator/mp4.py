"""Pictures over time as MP4 (H.264, no sound), by PyAV, which brings its own ffmpeg."""

import io
from fractions import Fraction

import numpy as np
from PIL import Image

from defectory.errors import FailedPrecondition, InvalidInput
from defectory.imaging import on_white

QUALITY = 18  # constant rate factor: 0 is lossless, 18 looks it, 51 is the worst


def check_available() -> None:
    """See that PyAV is installed.

    Raises:
        FailedPrecondition: it is not; says what to do.
    """
    try:
        import av  # noqa: F401  # optional
    except ImportError as error:
        raise FailedPrecondition("MP4 needs the package av: `pip install av`, or choose webp") from error


def encode_mp4(frames: np.ndarray, fps: float) -> bytes:
    """Encode pictures that follow each other.

    Args:
        frames: grey, RGB or RGBA, with even sides: the format keeps colours at half the resolution. It knows no
            transparency: what is transparent lies on white.
        fps: pictures a second, above 0.

    Shapes:
        frames: (T, H, W, C) uint8, C 1, 3 or 4; T at least 1

    Raises:
        InvalidInput: another shape. FailedPrecondition: PyAV is not installed.
    """
    check_available()
    import av

    if frames.ndim != 4 or frames.dtype != np.uint8 or frames.shape[3] not in (1, 3, 4) or not len(frames):
        right = "(T, H, W, C) uint8 with C 1, 3 or 4 and at least one picture"
        raise InvalidInput(f"frames are {frames.shape} {frames.dtype}: {right}", {"frames": right})
    height, width = frames.shape[1:3]
    if height % 2 or width % 2:
        raise InvalidInput(f"frames of {width}x{height}: MP4 wants even sides", {"frames": "even sides"})
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as film:
        stream = film.add_stream("h264", rate=Fraction(fps).limit_denominator(1001), options={"crf": str(QUALITY)})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for frame in frames:
            film.mux(stream.encode(av.VideoFrame.from_ndarray(_colours(frame), format="rgb24")))
        film.mux(stream.encode())
    return buffer.getvalue()


def _colours(frame: np.ndarray) -> np.ndarray:
    """A frame (H, W, C) of any kind as RGB (H, W, 3)."""
    if frame.shape[2] == 4:
        return np.asarray(on_white(Image.fromarray(frame)))
    return np.ascontiguousarray(np.broadcast_to(frame, (*frame.shape[:2], 3)))
