"""What a classifier's card says of the photographs that it was trained on."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from defectory.datasets.manifest_line import ManifestLine, Origin, PictureFile
from defectory.imaging import MAX_PIXELS
from services.classifier.card import Preprocessing
from services.explainer.picture import read_picture


def line(bits: int = 16, width: int = 32, square_px: int | None = 32) -> ManifestLine:
    """Of a photograph that became a square when it was ingested; None: of a synthetic image."""
    file = PictureFile(uri="u", sha256="0" * 64, width=width, height=width, fit="pad", bits=bits)
    origin = Origin(square_px=square_px) if square_px else Origin(kind="synthetic")
    return ManifestLine(file=file, label="good", origin=origin)


def test_bits_are_those_of_the_photographs() -> None:
    assert Preprocessing.of([line(12), line(12)], 96) == Preprocessing(square_px=32, fit="pad", bits=12)
    drawn = line(width=64, square_px=None)
    assert Preprocessing.of([line(12), drawn], 96).bits == 12
    assert Preprocessing.of([line(12), line(12, width=64, square_px=64)], 96) == Preprocessing(
        square_px=32, fit="pad", bits=12
    )
    assert Preprocessing.of([line(12), line(14)], 96) == Preprocessing(square_px=32, fit="pad", bits=16)
    assert Preprocessing.of([], 96).bits == 16
    # As a card, and an export beside it, states it; cards from before say nothing and mean 16.
    assert Preprocessing(bits=12).model_dump(mode="json")["bits"] == 12
    assert Preprocessing.model_validate({"square_px": 32}).bits == 16
    with pytest.raises(ValidationError, match="bits"):
        Preprocessing(bits=17)


def test_what_is_served_and_shown_uses_them() -> None:
    values = np.random.default_rng(0).integers(0, 4096, (32, 32)).astype(np.uint16)
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    wanted = np.round(values / 4095 * 255)
    preprocessing = Preprocessing(square_px=32, bits=12)
    np.testing.assert_array_equal(preprocessing.input_of(buffer.getvalue(), 32)[..., 0], wanted)
    picture = read_picture(buffer.getvalue(), preprocessing, 32)
    np.testing.assert_array_equal(picture.pixels[..., 1], wanted)
    np.testing.assert_array_equal(picture.shown[..., 2], wanted)


def test_a_scan_of_57_megapixels_is_served_as_it_is_ingested() -> None:
    wide, high = 9000, 6334

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", wide, high, 1, 0, 0, 0, 0)  # of two values: a megabyte a scan
    rows = zlib.compress((b"\0" + b"\xff" * (wide // 8)) * high, 1)
    file = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    assert wide * high < MAX_PIXELS
    assert Preprocessing(square_px=32).input_of(file, 32).min() == 255
