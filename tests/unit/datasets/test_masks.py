"""Masks as annotation tools write them: 0 and 255, 0 and 1, class numbers, palettes, colours, transparency."""

import io

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from defectory.datasets.masks import read_mask
from defectory.errors import InvalidInput

WIDE, HIGH = 30, 20
FAULTY = np.zeros((HIGH, WIDE), bool)
FAULTY[3:9, 5:17] = True
SECOND = np.zeros((HIGH, WIDE), bool)
SECOND[11:15, 20:28] = True


def stored(pixels: np.ndarray | Image.Image, kind: str = "PNG", **options: object) -> bytes:
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def tiff(pixels: np.ndarray, **options: object) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, **options)
    return buffer.getvalue()


def read(data: bytes) -> np.ndarray:
    mask = np.asarray(read_mask(data, WIDE, HIGH))
    assert set(np.unique(mask)) <= {0, 255}
    return mask > 0


CLASSES = np.where(FAULTY, 1, 0) + np.where(SECOND, 7, 0)
VOC = [0, 0, 0, 128, 0, 0, *[0] * 15, 64, 0, 128]  # the first colours of VOC's palette, and its class 7


def palette() -> Image.Image:
    image = Image.fromarray(CLASSES.astype(np.uint8))
    image = Image.frombytes("P", image.size, image.tobytes())
    image.putpalette(VOC)
    return image


def painted(colour: tuple[int, int, int], alpha: bool) -> np.ndarray:
    pixels = np.zeros((HIGH, WIDE, 4 if alpha else 3), np.uint8)
    pixels[FAULTY | SECOND, :3] = colour
    if alpha:
        pixels[FAULTY | SECOND, 3] = 255
    return pixels


BOTH = {
    "0 and 1": stored(np.where(FAULTY | SECOND, np.uint8(1), 0)),
    "class numbers": stored(CLASSES.astype(np.uint8)),
    "class numbers of 16 bits": stored((CLASSES * 1000).astype(np.uint16)),
    "class numbers in TIFF": tiff(CLASSES.astype(np.uint16)),
    "instance numbers beyond 255": tiff((CLASSES * 40).astype(np.int32)),
    "shares": tiff((CLASSES / 7).astype(np.float32)),
    "white at zero": tiff(np.where(FAULTY | SECOND, 0, 65535).astype(np.uint16), photometric="miniswhite"),
    "0 and 255": stored(np.where(FAULTY | SECOND, np.uint8(255), 0)),
    "two values": stored(Image.fromarray(FAULTY | SECOND)),
    "bmp": stored(np.where(FAULTY | SECOND, np.uint8(255), 0), "BMP"),
    "a palette's class numbers": stored(palette()),
    "a dark colour beside a bright one": stored(
        np.where(FAULTY[..., None], (64, 0, 0), np.where(SECOND[..., None], (0, 255, 0), 0)).astype(np.uint8)
    ),
    "a colour on nothing": stored(painted((40, 200, 10), alpha=True)),
    "white on nothing": stored(painted((255, 255, 255), alpha=True)),
    "black on nothing": stored(painted((0, 0, 0), alpha=True)),
    "colours without alpha": stored(painted((200, 100, 0), alpha=False)),
    "alpha that nobody filled": tiff(
        np.dstack([painted((200, 200, 200), alpha=False), np.zeros((HIGH, WIDE), np.uint8)]),
        photometric="rgb", extrasamples=["unassalpha"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BOTH)
def test_what_tools_write(name: str) -> None:
    np.testing.assert_array_equal(read(BOTH[name]), FAULTY | SECOND)


def test_soft_edges_are_cut_in_the_middle_where_there_are_bright_pixels() -> None:
    soft = np.where(FAULTY, 255, np.where(SECOND, 127, 0)).astype(np.uint8)
    np.testing.assert_array_equal(read(stored(soft)), FAULTY)
    np.testing.assert_array_equal(read(stored(np.minimum(soft, 127))), FAULTY | SECOND)


def test_a_jpeg_of_black_and_white_is_read_by_its_middle() -> None:
    pixels = np.repeat(np.where(FAULTY, np.uint8(255), 0)[..., None], 3, axis=-1)
    mask = read(stored(pixels, "JPEG", quality=60))
    assert (mask != FAULTY).mean() < 0.02


def test_nothing_is_faulty_in_a_black_mask() -> None:
    assert not read(stored(np.zeros((HIGH, WIDE), np.uint8))).any()


def test_a_mask_is_turned_upright_as_its_photograph() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = np.rot90(np.where(FAULTY, np.uint8(255), 0))
    np.testing.assert_array_equal(read(stored(lying, exif=exif)), FAULTY)
    with pytest.raises(InvalidInput, match="the mask is 20x30 and its photograph, upright, 30x20"):
        read(stored(lying))


@pytest.mark.parametrize("size", [(60, 40), (15, 10), (30, 21), (20, 30)])
def test_another_size_than_the_photographs_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(InvalidInput, match=f"the mask is {size[0]}x{size[1]} and its photograph"):
        read(stored(Image.new("L", size)))


def test_a_broken_mask_is_refused() -> None:
    for data in (b"", b"no mask", stored(CLASSES.astype(np.uint8))[:-30]):
        with pytest.raises(InvalidInput):
            read(data)


@settings(deadline=None)
@given(st.integers(0, 255), st.integers(0, 255))
def test_two_grey_values(low: int, high: int) -> None:
    pixels = np.where(FAULTY, high, low).astype(np.uint8)
    least = 127 if max(low, high) > 127 else 0
    np.testing.assert_array_equal(read(stored(pixels)), pixels > least)
