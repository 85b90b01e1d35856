"""Videos: what goes in comes out, at the rate that was asked for."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from defectory.errors import InvalidInput
from services.generator.video import encode_webp


def ramps(count: int, channels: int) -> np.ndarray:
    """Pictures of different brightness that change smoothly from left to right."""
    across = np.linspace(0, 100, 48)[None, None, :, None]
    return (across + np.arange(count)[:, None, None, None] * 20 + np.zeros((1, 32, 1, channels))).astype(np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_video_holds_the_pictures_in_order(channels: int) -> None:
    frames = ramps(5, channels)
    with Image.open(io.BytesIO(encode_webp(frames, fps=8))) as video:
        assert (video.format, video.size, video.n_frames, video.info["loop"]) == ("WEBP", (48, 32), 5, 0)
        for number, frame in enumerate(frames):
            video.seek(number)
            video.load()
            assert video.info["duration"] == 125
            shown = np.asarray(video.convert("RGB")).astype(float)
            assert np.abs(shown - frame).mean() < 4


def test_what_is_transparent_stays_so() -> None:
    frames = ramps(3, 4)
    frames[..., 3] = 255
    for number in range(3):
        frames[number, :, : 8 * number, 3] = 0
    with Image.open(io.BytesIO(encode_webp(frames, fps=8))) as video:
        for number, frame in enumerate(frames):
            video.seek(number)
            np.testing.assert_array_equal(np.asarray(video.convert("RGBA"))[..., 3], frame[..., 3])


def test_equal_pictures_in_a_row_last_as_long_as_all_of_them() -> None:
    frames = np.repeat(ramps(2, 3), 3, axis=0)
    with Image.open(io.BytesIO(encode_webp(frames, fps=10))) as video:
        total = 0
        for number in range(video.n_frames):
            video.seek(number)
            video.load()
            total += video.info["duration"]
    assert total == 600


def test_one_picture_is_a_video() -> None:
    with Image.open(io.BytesIO(encode_webp(ramps(1, 3), fps=1))) as video:
        assert video.size == (48, 32)


@pytest.mark.parametrize(
    ("frames", "fps", "field"),
    [
        (np.zeros((0, 8, 8, 3), np.uint8), 1.0, "frames"),
        (np.zeros((2, 8, 8, 2), np.uint8), 1.0, "frames"),
        (np.zeros((2, 8, 8, 3), np.float32), 1.0, "frames"),
        (np.zeros((8, 8, 3), np.uint8), 1.0, "frames"),
        (np.zeros((1, 1, 16_384, 1), np.uint8), 1.0, "frames"),
        (ramps(2, 3), 0.0, "fps"),
        (ramps(2, 3), float("nan"), "fps"),
        (ramps(2, 3), 2000.0, "fps"),
    ],
)
def test_what_cannot_be_a_video_is_refused(frames: Any, fps: float, field: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        encode_webp(frames, fps)
    assert field in raised.value.fields
