"""Files of real cameras: to the grey level against the libraries that write them, or refused by name."""

import io
import struct
import zlib
from fractions import Fraction

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from defectory.errors import InvalidInput
from defectory.imaging import MAX_SIDE_PX, decode, largest_value, network_input_of, read_header, size_of

HIGH, WIDE = 40, 50


def noise(*shape: int, bits: int = 16) -> np.ndarray:
    values = np.random.default_rng(0).integers(0, 1 << bits, shape).astype(np.uint8 if bits == 8 else np.uint16)
    values.reshape(-1)[:2] = 0, (1 << bits) - 1  # both ends are there
    return values


def tiff(values: np.ndarray, **options: object) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, **options)
    return buffer.getvalue()


def levels(values: np.ndarray, full: int) -> np.ndarray:
    """The nearest of 256 levels, in exact arithmetic."""
    table = np.array([int(Fraction(255 * v, full) + Fraction(1, 2)) for v in range(full + 1)], np.uint8)
    return table[values]


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, pixels: bytes, depth: int = 8, colour: int = 0, interlaced: int = 0) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")


def wide_png(values: np.ndarray) -> bytes:
    """A 16-bit PNG of 2, 3 or 4 channels, written by hand."""
    high, wide, channels = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return png(wide, high, rows, depth=16, colour={2: 4, 3: 2, 4: 6}[channels])


GREY, COLOURS = noise(HIGH, WIDE), noise(HIGH, WIDE, 3)
WRITTEN = {
    "grey": tiff(GREY),
    "big-endian": tiff(GREY, byteorder=">"),
    "tiles": tiff(GREY, tile=(16, 16), compression="zlib", predictor=True),
    "strips": tiff(GREY, rowsperstrip=7, compression="lzw"),
    "colours": tiff(COLOURS, photometric="rgb"),
    "planes": tiff(np.moveaxis(COLOURS, -1, 0), photometric="rgb", planarconfig="separate"),
    "planes in tiles": tiff(
        np.moveaxis(COLOURS, -1, 0), photometric="rgb", planarconfig="separate", tile=(16, 16), compression="zlib"
    ),
    "BigTIFF": tiff(COLOURS, photometric="rgb", bigtiff=True),
    **{
        f"{codec}, {name}": tiff(values, compression=codec, **cut)
        for codec in ("jpeg2000", "jpegxl")
        for name, values, cut in (
            ("grey", GREY, {}), ("colours", COLOURS, {}), ("strips", GREY, {"rowsperstrip": 16}),
            ("tiles", COLOURS, {"tile": (16, 16)}),
        )
    },
}  # fmt: skip


@pytest.mark.parametrize("name", WRITTEN)
def test_wide_tiffs_are_what_tifffile_reads(name: str) -> None:
    read = tifffile.imread(io.BytesIO(WRITTEN[name]))
    read = np.moveaxis(read, 0, -1) if read.shape[0] == 3 else read
    assert read.dtype == np.uint16
    np.testing.assert_array_equal(np.asarray(decode(WRITTEN[name])), levels(read, 65535))


@pytest.mark.parametrize("codec", ["jpeg2000", "jpegxl"])
@pytest.mark.parametrize("shape", [(HIGH, WIDE), (HIGH, WIDE, 3)])
def test_modern_codecs_of_8_bits_inside(codec: str, shape: tuple[int, ...]) -> None:
    values = noise(*shape, bits=8)
    np.testing.assert_array_equal(np.asarray(decode(tiff(values, compression=codec))), values)


@pytest.mark.parametrize("bits", [10, 12, 14])
@pytest.mark.parametrize("white", [False, True])
def test_values_of_fewer_bits_fill_the_grey_levels(bits: int, white: bool) -> None:
    values = noise(HIGH, WIDE, bits=bits)
    full = (1 << bits) - 1
    file = tiff(values, photometric="miniswhite" if white else "minisblack")
    assert largest_value(file) == full
    expected = levels(full - values if white else values, full)
    np.testing.assert_array_equal(np.asarray(decode(file, bits=bits)), expected)
    with pytest.raises(InvalidInput, match=rf"pixels up to {full}, and {bits - 1} bits hold {full // 2}"):
        decode(file, bits=bits - 1)


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_a_file_that_packs_its_bits_says_itself_how_many_they_are(bits: int) -> None:
    values = noise(HIGH, WIDE, bits=bits)
    file = tiff(values, bitspersample=bits)
    assert largest_value(file) is None
    for stated in (8, 12, 16):
        np.testing.assert_array_equal(np.asarray(decode(file, bits=stated)), levels(values, (1 << bits) - 1))


def test_bits_of_png() -> None:
    grey = noise(HIGH, WIDE, bits=12)
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, "PNG")
    assert largest_value(buffer.getvalue()) == 4095
    np.testing.assert_array_equal(np.asarray(decode(buffer.getvalue(), bits=12)), levels(grey, 4095))
    colours = noise(HIGH, WIDE, 3, bits=12)
    assert largest_value(wide_png(colours)) == 4095
    np.testing.assert_array_equal(np.asarray(decode(wide_png(colours), bits=12)), levels(colours, 4095))
    np.testing.assert_array_equal(imagecodecs.png_decode(wide_png(colours)), colours)
    seen = network_input_of(wide_png(colours), WIDE, square_px=0, bits=12)
    stretched = Image.fromarray(levels(colours, 4095)).resize((WIDE, WIDE), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(seen, np.asarray(stretched))


@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_of_16_bits_fills_its_depth_whatever_the_colours_use(channels: int) -> None:
    values = noise(HIGH, WIDE, channels, bits=12)
    values[..., -1] = noise(HIGH, WIDE)
    share = values[..., -1:] / 65535
    wanted = levels(values[..., :-1], 4095) * share + 255 * (1 - share)
    files = [wide_png(values)]
    if channels == 4:
        files.append(tiff(values, photometric="rgb", extrasamples=["unassalpha"]))
    for file in files:
        assert largest_value(file) == 4095
        decoded = np.asarray(decode(file, bits=12)).reshape(HIGH, WIDE, -1)
        assert np.abs(decoded - wanted).max() <= 1
    # Multiplied by alpha already: nothing is to be multiplied twice.
    narrow = (values >> 4).astype(np.uint8)
    narrow[..., :-1] = narrow[..., -1:] // 2
    eight = decode(
        tiff(narrow, photometric="rgb" if channels == 4 else "minisblack", planarconfig="contig",
             extrasamples=["assocalpha"])
    )  # fmt: skip
    assert np.abs(np.asarray(eight).reshape(HIGH, WIDE, -1) + (narrow[..., -1:] / 2.0) - 255).max() < 2
    values[..., :-1] = values[..., :-1] * share
    if channels == 4:
        decoded = np.asarray(decode(tiff(values, photometric="rgb", extrasamples=["assocalpha"]), bits=12))
        assert np.abs(decoded - (levels(values[..., :3], 4095) + 255 * (1 - share)).clip(0, 255)).max() <= 2


def test_white_at_zero() -> None:
    for values, full in ((noise(HIGH, WIDE), 65535), (noise(HIGH, WIDE, bits=8), 255)):
        decoded = np.asarray(decode(tiff(values, photometric="miniswhite")))
        np.testing.assert_array_equal(decoded, levels(full - values, full))
    shares = (noise(HIGH, WIDE) / 65535).astype(np.float32)
    decoded = np.asarray(decode(tiff(shares, photometric="miniswhite")))
    np.testing.assert_array_equal(decoded, np.round((1 - shares) * 255))


def test_signed_values_from_0_on() -> None:
    values = (noise(HIGH, WIDE) >> 1).astype(np.int16)
    np.testing.assert_array_equal(np.asarray(decode(tiff(values))), levels(values, 32767))
    values = noise(HIGH, WIDE, bits=12).astype(np.int16)  # as LabVIEW's I16 images hold a camera's
    assert largest_value(tiff(values)) == 4095
    np.testing.assert_array_equal(np.asarray(decode(tiff(values), bits=12)), levels(values, 4095))
    values[3, 3] = -1
    with pytest.raises(InvalidInput, match=r"negative values \(-1\): store them from 0 on"):
        decode(tiff(values))


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(HIGH, WIDE), (HIGH, WIDE, 3)])
def test_floating_point(kind: type, shape: tuple[int, ...]) -> None:
    values = (noise(*shape) / 65535).astype(kind)
    options = {"photometric": "rgb"} if len(shape) == 3 else {}
    decoded = np.asarray(decode(tiff(values, compression="zlib", predictor=kind is not np.float16, **options)))
    assert np.abs(decoded - values.astype(np.float64) * 255).max() <= 0.5 + 1e-4
    values.reshape(-1)[7] = 2
    with pytest.raises(InvalidInput, match="floating-point pixels outside"):
        decode(tiff(values, **options))


UNCLEAR = {
    "a TIFF of 5 channels of 8 bits: store one channel": tiff(
        noise(HIGH, WIDE, 5, bits=8), photometric="minisblack", planarconfig="contig"
    ),
    "a TIFF of 5 channels of 8 bits: ": tiff(
        noise(HIGH, WIDE, 5, bits=8), photometric="rgb", extrasamples=["unspecified"] * 2
    ),
    "a TIFF of 2 channels of 16 bits: ": tiff(noise(HIGH, WIDE, 2), photometric="minisblack", planarconfig="contig"),
    "a TIFF of 2 channels of 8 bits: ": tiff(
        noise(HIGH, WIDE, 2, bits=8), photometric="minisblack", planarconfig="contig"
    ),
    r"a TIFF of 3 pages \(50x40, 50x40, 50x40\): .*file of its own": tiff(
        noise(3, HIGH, WIDE, bits=8), photometric="minisblack"
    ),
    "a TIFF of 1 channel of 64 bits: ": tiff(GREY.astype(np.uint64)),
    "a TIFF of 1 channel of complex 64 bits: ": tiff(GREY.astype(np.complex64)),
    "a TIFF of 1 channel of 16 bits straight from the sensor": tiff(
        GREY, photometric=32803, extratags=[(33421, "H", 2, (2, 2)), (33422, "B", 4, bytes([0, 1, 1, 2]))]
    ),
    "compressed as LERC: ": tiff(GREY, compression="lerc"),
}


@pytest.mark.parametrize("named", UNCLEAR)
def test_what_is_not_plain_is_named(named: str) -> None:
    for refused in (decode, read_header, size_of, largest_value):
        with pytest.raises(InvalidInput, match=named):
            refused(UNCLEAR[named])


def test_channels_that_are_plain() -> None:
    alpha = noise(HIGH, WIDE, 2, bits=8)
    file = tiff(alpha, photometric="minisblack", planarconfig="contig", extrasamples=["unassalpha"])
    share = alpha[..., 1] / 255
    assert np.abs(np.asarray(decode(file)) - (alpha[..., 0] * share + 255 * (1 - share))).max() <= 1
    filler = noise(HIGH, WIDE, 4)
    file = tiff(filler, photometric="rgb", extrasamples=["unspecified"])
    np.testing.assert_array_equal(np.asarray(decode(file)), levels(filler[..., :3], 65535))


def test_of_a_picture_and_its_thumbnail_the_picture_is_taken() -> None:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        writer.write(noise(8, 10, bits=8), subfiletype=1)
        writer.write(GREY)
    np.testing.assert_array_equal(np.asarray(decode(buffer.getvalue())), levels(GREY, 65535))
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:  # a raw file of a still camera: the sensor's values below a thumbnail
        writer.write(noise(8, 10, 3, bits=8), photometric="rgb", subfiletype=1, subifds=1)
        writer.write(GREY, photometric=32803)
    with pytest.raises(InvalidInput, match="straight from the sensor"):
        decode(buffer.getvalue())


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_wide_file_is_turned_as_one_of_8_bits(orientation: int) -> None:
    narrow, tag = (GREY >> 8).astype(np.uint8), [(274, "H", 1, orientation, True)]
    wide = decode(tiff(narrow.astype(np.uint16) * 257, extratags=tag))
    np.testing.assert_array_equal(np.asarray(wide), np.asarray(decode(tiff(narrow, extratags=tag))))
    assert size_of(tiff(GREY, extratags=tag), upright=True) == wide.size


@pytest.mark.parametrize("codec", ["jpeg2000", "jpegxl"])
def test_a_codec_inside_does_not_unpack_more_than_the_page_says(codec: str) -> None:
    file, larger = tiff(GREY, compression=codec), tiff(noise(400, 400), compression=codec)
    with tifffile.TiffFile(io.BytesIO(larger)) as read:
        inside = larger[read.pages[0].dataoffsets[0] :][: read.pages[0].databytecounts[0]]
    with pytest.raises(InvalidInput, match="broken or cut off"):
        decode(retagged(file, StripOffsets=len(file), StripByteCounts=len(inside)) + inside)


def retagged(file: bytes, **values: int) -> bytes:
    """A TIFF with other numbers in some of its tags."""
    with tifffile.TiffFile(io.BytesIO(file)) as read:
        for name, value in values.items():
            tag = read.pages[0].tags[name]
            size = {3: 2, 4: 4}[int(tag.dtype)]
            file = file[: tag.valueoffset] + value.to_bytes(size, "little") + file[tag.valueoffset + size :]
    return file


HOSTILE = {
    "strips that are missing": retagged(tiff(GREY, rowsperstrip=8), ImageLength=60_000),
    "strips that are damaged": tiff(np.zeros((HIGH, WIDE), np.uint16), compression="zlib", rowsperstrip=HIGH).replace(
        zlib.compress(bytes(HIGH * WIDE * 2))[:8], bytes(8)
    ),
    "a tile of gigabytes": retagged(
        tiff(GREY, tile=(16, 16), compression="zlib", metadata=None), TileLength=65_520, TileWidth=65_520
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_tiff_that_promises_more_than_it_holds(name: str) -> None:
    with pytest.raises(InvalidInput, match="broken or cut off"):
        decode(HOSTILE[name])


@pytest.mark.parametrize("name", [name for name in WRITTEN if name != "BigTIFF"])
def test_cut_off_wide_tiffs(name: str) -> None:
    file = WRITTEN[name]
    with pytest.raises(InvalidInput):
        decode(file[: len(file) * 3 // 5])


def bitmap(pixels: np.ndarray, alpha: np.ndarray) -> bytes:
    """A 32-bit BMP with a version 5 header that names an alpha channel."""
    high, wide = alpha.shape
    body = np.dstack([pixels[..., ::-1], alpha])[::-1].tobytes()
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000) + b"BGRs" + b"\0" * 64
    header = struct.pack("<IiiHHIIiiII", 124, wide, high, 1, 32, 3, len(body), 2835, 2835, 0, 0) + masks
    return b"BM" + struct.pack("<IHHI", 14 + len(header) + len(body), 0, 0, 14 + len(header)) + header + body


def test_alpha_that_nobody_filled_is_opaque() -> None:
    colours, empty = noise(HIGH, WIDE, 3, bits=8), np.zeros((HIGH, WIDE), np.uint8)
    files = [
        bitmap(colours, empty), tiff(np.dstack([colours, empty]), photometric="rgb", extrasamples=["unassalpha"])
    ]  # fmt: skip
    for file in files:
        for keep in (False, True):
            decoded = decode(file, keep_alpha=keep)
            assert decoded.mode == "RGB"
            np.testing.assert_array_equal(np.asarray(decoded), colours)
    one = empty.copy()
    one[0, 0] = 255  # it is used
    decoded = np.asarray(decode(bitmap(colours, one)))
    assert (decoded[0, 0] == colours[0, 0]).all()
    assert (decoded.reshape(-1, 3)[1:] == 255).all()


SHAPES = [(1, 400), (2, 401), (3, 400), (400, 1), (20, 30)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF"])
def test_what_is_cut_off_is_refused_whatever_its_shape(kind: str, shape: tuple[int, int]) -> None:
    wide, high = shape
    buffer = io.BytesIO()
    Image.fromarray(noise(high, wide, bits=8)).save(buffer, kind)
    file = buffer.getvalue()
    assert decode(file).size == shape
    for share in (0.3, 0.6, 0.9):
        with pytest.raises(InvalidInput, match=r"broken or cut off|not an image"):
            decode(file[: int(len(file) * share)])


@pytest.mark.parametrize("shape", SHAPES)
def test_a_png_whose_pixels_end_with_a_row_but_too_early(shape: tuple[int, int]) -> None:
    wide, high = shape
    rows = np.zeros((high, 1 + wide), np.uint8)
    rows[:, 1:] = noise(high, wide, bits=8)
    assert decode(png(wide, high, rows.tobytes())).size == shape
    black = decode(png(wide, high, bytes(rows.size)))  # nothing is missing where the last row is black
    assert np.asarray(black).max() == 0
    if high > 1:
        with pytest.raises(InvalidInput, match="cut off: its pixels end too early"):
            decode(png(wide, high, rows[: high // 2].tobytes()))


def test_interlaced_pngs() -> None:
    for side in range(2, 10):
        pixels = noise(side, side, bits=8)
        passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
        parts = [pixels[top::down, left::across] for left, top, across, down in passes]
        packed = b"".join(b"\0" + row.tobytes() for part in parts if part.size for row in part)
        np.testing.assert_array_equal(np.asarray(decode(png(side, side, packed, interlaced=1))), pixels)
        with pytest.raises(InvalidInput, match="cut off"):
            decode(png(side, side, packed[:-1], interlaced=1))


def header_of_tiff(wide: int, high: int) -> bytes:
    """A TIFF that promises so many grey pixels of 16 bits and has one."""
    tags = {256: wide, 257: high, 258: 16, 259: 1, 262: 1, 273: 8, 277: 1, 278: high, 279: 2}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return b"II*\0" + struct.pack("<I", 10) + b"\0\0" + struct.pack("<H", len(tags)) + entries + bytes(4)


@pytest.mark.parametrize(("wide", "high"), [(1, 49_000_000), (49_000_000, 1), (MAX_SIDE_PX + 1, 1), (10_001, 10_000)])
def test_sides_and_area_are_bounded_by_the_header(wide: int, high: int) -> None:
    for file in (png(wide, high, b"\0" * 64), header_of_tiff(wide, high)):
        for refused in (decode, read_header, size_of):
            with pytest.raises(InvalidInput, match=f"says it is {wide}x{high}, .*pixels allowed"):
                refused(file)


def test_a_long_narrow_picture_is_squared_in_the_time_of_a_square_one() -> None:
    file = png(1, MAX_SIDE_PX, b"\0\xff" * MAX_SIDE_PX)
    assert network_input_of(file, 32, square_px=1024, fit="stretch").min() == 255


@settings(deadline=None)
@given(st.integers(8, 16), st.lists(st.integers(0, 65535), min_size=1, max_size=30))
def test_any_depth_is_scaled_to_the_nearest_level(bits: int, numbers: list[int]) -> None:
    full = (1 << bits) - 1
    values = np.array([[number & full for number in numbers]], np.uint16)
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    decoded = np.asarray(decode(buffer.getvalue(), bits=bits))[0]
    assert [int(level) for level in decoded] == [
        int(Fraction(255 * int(value), full) + Fraction(1, 2)) for value in values[0]
    ]
