"""What image editors make of a picture: read so that nothing but the edit differs from the original.

docs/edits.md lists what GIMP and Krita were seen to do.
"""

import io
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

import imagecodecs
import numpy as np
from PIL import Image

from defectory.errors import InvalidInput
from defectory.imaging import MAX_PIXELS, decoding, read_header

LARGEST_BYTES = 512 << 20
LAYERED = (".ora", ".kra")  # archives whose merged image is a PNG in them
MERGED = "mergedimage.png"
ENDINGS = (".png", ".tif", ".tiff", ".bmp", ".psd", *LAYERED)
LINEAR = 0.05  # by which a profile's mid-grey lies from sRGB's, as a share of full scale, for it to be another curve


@dataclass(frozen=True)
class EditorFile:
    """A file as an editor saved it.

    Attributes:
        numbers: uint8 or uint16 (H, W, C), C 1 to 4, in sRGB's curve, as it lies in the file.
        editor: the program's name where the file says it; else "".
        notes: what was done to it, for a person to know.
    """

    numbers: np.ndarray
    editor: str
    notes: tuple[str, ...] = ()


def read_editor_file(path: Path) -> EditorFile:
    """Read what an editor saved.

    - OpenRaster and Krita's own files: the merged image, never the layers, on which programs disagree.
    - PSD: the merged image as well.
    - Numbers of linear light, of which only the profile says that they are, get sRGB's curve.

    Raises:
        InvalidInput: of a kind that loses pixels or that is not read, or broken; says what would be right.
    """
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        right = f"save it without loss, as PNG ({', '.join(ENDINGS)} are read)"
        raise InvalidInput(f"{path.name} is a {ending or 'nameless'} file: {right}")
    if path.stat().st_size > LARGEST_BYTES:
        raise InvalidInput(f"{path.name} is larger than {LARGEST_BYTES >> 20} MiB")
    content = path.read_bytes()
    if ending in LAYERED:
        return _of_content(_merged(content, path.name), ".png", _editor_of_archive(content))
    return _of_content(content, ending, "")


def _merged(content: bytes, name: str) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if archive.getinfo(MERGED).file_size > LARGEST_BYTES:
                raise InvalidInput(f"the merged image of {name} is larger than {LARGEST_BYTES >> 20} MiB")
            return archive.read(MERGED)
    except (zipfile.BadZipFile, KeyError, RuntimeError, NotImplementedError, EOFError) as error:
        raise InvalidInput(f"{name} holds no merged image ({MERGED}): export it as PNG") from error


def _editor_of_archive(content: bytes) -> str:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = archive.namelist()
    return "Krita" if "maindoc.xml" in names else ""


def _of_content(content: bytes, ending: str, editor: str) -> EditorFile:
    if ending == ".psd":
        numbers, profile = _psd(content)
        return _as_srgb(numbers, profile, editor or "a program that writes PSD")
    opened = read_header(content, MAX_PIXELS)
    with decoding(opened):
        numbers = opened.numbers()
        header = Image.open(io.BytesIO(content), formats=("PNG", "TIFF", "BMP"))
        profile, named = header.info.get("icc_profile") or b"", _editor_of(header.info)
    if opened.format == "JPEG":
        raise InvalidInput("it is a JPEG by its content: save it without loss, as PNG")
    if numbers.dtype == bool:
        numbers = numbers.astype(np.uint8) * 255
    if numbers.dtype not in (np.uint8, np.uint16):
        raise InvalidInput(f"its pixels are {numbers.dtype}: save it with 8 or 16 bits")
    return _as_srgb(numbers if numbers.ndim == 3 else numbers[..., None], profile, editor or named)


def _psd(content: bytes) -> tuple[np.ndarray, bytes]:
    try:
        image = Image.open(io.BytesIO(content), formats=("PSD",))
        if image.width * image.height > MAX_PIXELS or image.mode not in ("L", "LA", "RGB", "RGBA"):
            raise InvalidInput("the PSD file is too large, or not grey or RGB of 8 bits: export it as PNG")
        return np.atleast_3d(np.asarray(image)), image.info.get("icc_profile") or b""
    except InvalidInput:
        raise
    except Exception as error:  # a parser fed with foreign bytes can raise anything
        raise InvalidInput(f"the PSD file cannot be read: export it as PNG ({error})") from error


def _editor_of(info: dict[str | tuple[int, int], object]) -> str:
    """ "GIMP 2.10" of a file's metadata; "" where it says nothing."""
    if isinstance(software := info.get("Software"), str) and software.strip():
        return " ".join(software.split())[:60]
    xmp = info.get("xmp") or info.get("XML:com.adobe.xmp") or ""
    text = xmp.decode(errors="replace") if isinstance(xmp, bytes) else str(xmp)
    match = re.search(r"CreatorTool[=>\s]*[\"']?([^\"'<]{1,60})", text)
    return match[1].strip() if match else ""


def _as_srgb(numbers: np.ndarray, profile: bytes, editor: str) -> EditorFile:
    """With sRGB's curve where the profile's is another; profiles that only name the usual one change no number."""
    if not profile:
        return EditorFile(numbers, editor)
    grey = profile[16:20] == b"GRAY"  # of grey with alpha, whose grey may have been read as three equal channels
    colours = numbers[..., :1] if grey else numbers[..., :3]
    try:
        middle = _through(np.full((1, 1, colours.shape[2]), 32768, np.uint16), profile)
        if abs(int(middle[0, 0, 0]) - 32768) <= LINEAR * 65535:
            return EditorFile(numbers, editor)
        converted = _through(colours if colours.dtype == np.uint16 else colours.astype(np.uint16) * 257, profile)
    except (RuntimeError, ValueError) as error:
        raise InvalidInput(f"its colour profile cannot be applied: export it in sRGB ({error})") from error
    if numbers.dtype == np.uint8:
        converted = ((converted.astype(np.uint32) + 128) // 257).astype(np.uint8)
    channels = numbers.shape[2] - (numbers.shape[2] in (2, 4))  # without alpha
    converted = np.repeat(converted, channels // converted.shape[2], axis=2)
    whole = np.dstack([converted, numbers[..., channels:]])
    return EditorFile(whole, editor, ("its numbers were of linear light; sRGB's curve was applied",))


def _through(colours: np.ndarray, profile: bytes) -> np.ndarray:
    """uint16 (H, W, 1 or 3) from a profile to sRGB; grey comes out as R=G=B, of which one is taken."""
    grey = colours.shape[2] == 1
    converted = imagecodecs.cms_transform(
        np.ascontiguousarray(colours[..., 0] if grey else colours), profile, imagecodecs.cms_profile("srgb"),
        colorspace="gray" if grey else "rgb", outcolorspace="rgb",
    )  # fmt: skip
    return np.asarray(converted[..., :1] if grey else converted)
