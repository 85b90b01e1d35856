"""Large images are converted piece by piece: to the last bit as in one piece, and without gigabytes."""

import io
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from defectory.errors import InvalidInput
from defectory.imaging import decode

SHAPES = [
    (1100, 1300),
    (3, 1_100_000),
    (1_100_000, 1),
]  # each of more than a tile, the second with rows of more than one


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 65536, shape).astype(np.uint16)


@pytest.mark.parametrize("shape", SHAPES)
def test_wide_grey(shape: tuple[int, int]) -> None:
    values = noise(*shape)
    wanted = np.round(values / 257).astype(np.uint8)
    big_endian = Image.frombytes("I;16B", shape[::-1], values.astype(">u2").tobytes())
    for image in (Image.fromarray(values), big_endian, Image.fromarray(values.astype(np.int32))):
        np.testing.assert_array_equal(np.asarray(decode(encoded(image, "TIFF"))), wanted)


def test_floating_point_grey() -> None:
    values = (noise(*SHAPES[0]) / 65535).astype(np.float32)
    decoded = decode(encoded(Image.fromarray(values), "TIFF"))
    np.testing.assert_array_equal(np.asarray(decoded), np.round(values * 255).astype(np.uint8))


def test_one_pixel_out_of_range_anywhere_is_refused() -> None:
    for values, wrong in ((np.zeros(SHAPES[0], np.int32), 65536), (np.zeros(SHAPES[0], np.float32), np.nan)):
        values[-1, -1] = wrong
        with pytest.raises(InvalidInput, match="pixels"):
            decode(encoded(Image.fromarray(values), "TIFF"))


def seen_on_white(colours: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """As exact as 8 bits can say it."""
    share = alpha[..., None].astype(np.float64) / 255
    return colours * share + 255 * (1 - share)


@pytest.mark.parametrize("shape", SHAPES)
def test_transparency(shape: tuple[int, int]) -> None:
    pixels = (noise(*shape, 4) % 256).astype(np.uint8)
    wanted = seen_on_white(pixels[..., :3], pixels[..., 3])
    decoded = decode(encoded(Image.fromarray(pixels), "TIFF"))
    assert decoded.mode == "RGB"
    assert np.abs(np.asarray(decoded) - wanted).max() <= 1
    grey = Image.fromarray(pixels[..., 0].copy())
    grey.putalpha(Image.fromarray(pixels[..., 3].copy()))
    decoded = decode(encoded(grey, "PNG"))
    assert decoded.mode == "L"
    assert np.abs(np.asarray(decoded) - seen_on_white(pixels[..., :1], pixels[..., 3])[..., 0]).max() <= 1


def test_pieces_are_as_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    colours = (noise(*SHAPES[0], 4) % 256).astype(np.uint8)
    palette = Image.fromarray(colours[..., :3].copy()).quantize(64)
    files = [
        encoded(Image.fromarray(colours), "PNG"),
        encoded(Image.fromarray(colours[..., :3] // 128 * 128), "PNG", transparency=(0, 128, 0)),
        encoded(palette, "PNG", transparency=bytes(range(0, 256, 4))),
        encoded(palette, "PNG", transparency=5),
        encoded(palette.convert("1"), "PNG", transparency=0),
    ]
    pieces = [decode(data) for data in files]
    monkeypatch.setattr("defectory.imaging.eight_bits._TILE_PIXELS", 1 << 30)
    for data, piece in zip(files, pieces, strict=True):
        whole = decode(data)
        assert (piece.mode, piece.info) == (whole.mode, {})
        np.testing.assert_array_equal(np.asarray(piece), np.asarray(whole))


def test_a_conversion_takes_no_multiple_of_its_image() -> None:
    data = encoded(Image.fromarray(np.full((4000, 4000), 300, np.uint16)), "PNG")
    tracemalloc.start()
    try:
        decode(data)
        assert tracemalloc.get_traced_memory()[1] < 40e6  # of NumPy's: 16 million pixels of 8 bytes were 128 MB
    finally:
        tracemalloc.stop()
