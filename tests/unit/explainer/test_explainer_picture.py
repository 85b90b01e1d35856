"""What is shown of a file is small and upright; what the network sees of it is what it sees when it serves."""

import io

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image

from defectory.errors import InvalidInput
from services.classifier.card import Preprocessing
from services.explainer.picture import SHOWN_PX, megapixels, read_picture

PREPROCESSING = Preprocessing(square_px=64, fit="pad")


def photograph(width: int, height: int, kind: str, orientation: int = 1) -> bytes:
    """Noise as coarse as a photograph's, in a file that is to be turned."""
    coarse = np.random.default_rng(0).integers(0, 256, (height // 64 + 2, width // 64 + 2, 3)).astype(np.uint8)
    image = Image.fromarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    buffer = io.BytesIO()
    image.save(buffer, kind, exif=exif)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize(
    ("size", "orientation", "shown", "enlargement"),
    [
        ((4096, 1000), 1, (2048, 500), (2, 2)),
        ((4096, 1000), 6, (500, 2048), (2, 2)),
        ((300, 200), 1, (300, 200), (1, 1)),
    ],
)
def test_a_file_is_read_once(
    kind: str, size: tuple[int, int], orientation: int, shown: tuple[int, int], enlargement: tuple[float, float]
) -> None:
    data = photograph(*size, kind, orientation)
    picture = read_picture(data, PREPROCESSING, 32)
    assert picture.shown.shape[1::-1] == shown
    assert max(picture.shown.shape) <= SHOWN_PX
    assert picture.enlargement == enlargement
    np.testing.assert_array_equal(picture.pixels, PREPROCESSING.input_of(data, 32))


def test_what_a_file_costs_stands_in_its_header() -> None:
    assert megapixels(photograph(4096, 1000, "PNG")) == pytest.approx(4.096)
    assert megapixels(photograph(20, 20, "PNG")) == 1
    with pytest.raises(InvalidInput):
        megapixels(b"")
