"""MP4: what was encoded is what a decoder shows."""

import io

import av
import numpy as np
import pytest

from defectory.errors import InvalidInput
from services.generator.mp4 import encode_mp4


@pytest.mark.parametrize("channels", [1, 3])
def test_a_film_has_its_frames_its_pace_and_its_colours(channels: int) -> None:
    levels = np.linspace(20, 230, 12).astype(np.uint8)
    frames = np.broadcast_to(levels[:, None, None, None], (12, 32, 48, channels)).copy()
    if channels == 3:
        frames[..., 2] //= 2
    with av.open(io.BytesIO(encode_mp4(frames, 12.0))) as film:
        assert film.streams.video[0].average_rate == 12
        decoded = np.stack([frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)])
    assert decoded.shape == (12, 32, 48, 3)
    assert np.abs(decoded.astype(int) - frames).max() <= 4


def test_what_is_transparent_lies_on_white() -> None:
    frames = np.zeros((2, 32, 32, 4), np.uint8)
    frames[:, :, 16:] = (200, 40, 40, 255)
    with av.open(io.BytesIO(encode_mp4(frames, 12.0))) as film:
        decoded = next(film.decode(video=0)).to_ndarray(format="rgb24").astype(int)
    assert decoded[:, :12].min() >= 250
    assert np.abs(decoded[:, 20:] - (200, 40, 40)).max() <= 8


@pytest.mark.parametrize("shape", [(2, 31, 32, 3), (0, 32, 32, 3), (2, 32, 32, 2), (32, 32, 3)])
def test_frames_that_cannot_be_encoded_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidInput, match="frames"):
        encode_mp4(np.zeros(shape, np.uint8), 10)
