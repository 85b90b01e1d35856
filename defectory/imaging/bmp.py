"""BMP files whose palette Pillow takes for something else."""

import struct

_INFO = 40  # bytes of the header that says how many entries a palette has; the older one of 12 does not
_FILE = 14  # bytes before it
_EXTRA = bytes((0, 0, 1, 0))  # a colour that is not grey


def with_plain_palette(data: bytes) -> bytes:
    """The same picture in bytes that Pillow reads right; other files as they are.

    Pillow 13.0.0 takes a palette of black and white for one bit a pixel, and the greys 0, 1, 2, … of 4 bits for 8 bits,
    whatever the header says: masks come out nearly black (findings/pillow_bmp_of_two_colours.sh). A further entry that
    is not grey makes it look at the palette.
    """
    if not data.startswith(b"BM") or len(data) < _FILE + _INFO:
        return data
    file_size, _, pixels_at, header_size = struct.unpack_from("<IIII", data, 2)
    (bits,) = struct.unpack_from("<H", data, _FILE + 14)
    (used,) = struct.unpack_from("<I", data, _FILE + 32)
    entries = used or 1 << min(bits, 8)
    if header_size < _INFO or not (bits == 4 or (bits == 8 and entries == 2)):
        return data
    palette_end = _FILE + header_size + 4 * entries
    if palette_end > pixels_at or pixels_at > len(data):
        return data
    head = bytearray(data[:palette_end])
    struct.pack_into("<I", head, 2, file_size + len(_EXTRA))
    struct.pack_into("<I", head, 10, pixels_at + len(_EXTRA))
    struct.pack_into("<I", head, _FILE + 32, entries + 1)
    return bytes(head) + _EXTRA + data[palette_end:]
