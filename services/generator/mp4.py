"""Pictures over time as MP4 (H.264, no sound), by PyAV, which brings its own ffmpeg."""

import io
from fractions import Fraction

import numpy as np

from defectory.errors import FailedPrecondition, InvalidInput

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
        frames: grey or RGB, with even sides: the format keeps colours at half the resolution.
        fps: pictures a second, above 0.

    Shapes:
        frames: (T, H, W, C) uint8, C 1 or 3; T at least 1

    Raises:
        InvalidInput: another shape. FailedPrecondition: PyAV is not installed.
    """
    check_available()
    import av

    if frames.ndim != 4 or frames.dtype != np.uint8 or frames.shape[3] not in (1, 3) or not len(frames):
        right = "(T, H, W, C) uint8 with C 1 or 3 and at least one picture"
        raise InvalidInput(f"frames are {frames.shape} {frames.dtype}: {right}", {"frames": right})
    height, width = frames.shape[1:3]
    if height % 2 or width % 2:
        raise InvalidInput(f"frames of {width}x{height}: MP4 wants even sides", {"frames": "even sides"})
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as film:
        stream = film.add_stream("h264", rate=Fraction(fps).limit_denominator(1001), options={"crf": str(QUALITY)})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for frame in frames:
            colours = np.repeat(frame, 3, axis=2) if frame.shape[2] == 1 else frame
            film.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(colours), format="rgb24")))
        film.mux(stream.encode())
    return buffer.getvalue()
