"""Pictures for the page: thumbnails that are kept, whole pictures, and layers that compare two of them."""

import io
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from defectory.datasets.manifest_line import ManifestLine
from defectory.datasets.pictures import image_of, memory_of, picture_of
from defectory.errors import NotFound
from defectory.imaging import decode, on_white, to_square
from defectory.storage.store import ObjectStore
from orchestrator.review.heat import Heat
from orchestrator.review.subject import Subject

THUMBNAIL_PX = 192  # the longer side: a cell's, also where a screen has two pixels for one
PNG, WEBP = "image/png", "image/webp"
Layer = Literal["picture", "nearest", "difference", "heat", "mask"]


@dataclass(frozen=True)
class Encoded:
    """An image as it is sent."""

    content: bytes
    media_type: str


class Pictures:
    """Encodes a subject's pictures."""

    def __init__(self, store: ObjectStore, subject: Subject, heat: Heat) -> None:
        self._store = store
        self._subject = subject
        self._heat = heat

    def thumbnail(self, line: ManifestLine) -> Encoded:
        """A picture no larger than a cell, made once and kept by content, as all that is made of pictures is.

        Raises:
            NotFound, Corrupted, InvalidInput: as of the picture.
        """
        if not line.is_real and max(line.file.width, line.file.height) <= THUMBNAIL_PX:
            return Encoded(picture_of(self._store, line), PNG)  # what a generator made is a PNG of 8 bits
        key = f"prepared/{line.file.sha256}/thumbnail-{THUMBNAIL_PX}-{line.file.colour or 'own'}-{line.file.bits}.webp"
        with suppress(NotFound):
            return Encoded(self._store.get(key), WEBP)
        image = self.image(line, THUMBNAIL_PX)
        image.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        image.save(buffer, "WEBP", quality=85, method=2)
        self._store.put(key, buffer.getvalue())
        return Encoded(buffer.getvalue(), WEBP)

    def layers(self, line: ManifestLine) -> tuple[Layer, ...]:
        """Layers that a picture has; whether its heat says anything is known when it was asked for."""
        compared: tuple[Layer, ...] = ("nearest", "difference") if self._nearest(line) is not None else ()
        heat: tuple[Layer, ...] = ("heat",) if self._subject.judge else ()
        return ("picture", *compared, *heat, *(("mask",) if line.mask else ()))

    def layer(self, line: ManifestLine, layer: str) -> Encoded:
        """A layer of a picture, without loss.

        Raises:
            NotFound: there is no such layer, or this picture has none. FailedPrecondition: the heat says nothing.
        """
        nearest = self._nearest(line)
        match layer:
            case "picture":
                return _png(self.image(line))
            case "mask" if line.mask:
                return _png(decode(self._store.get(self._store.key(line.mask.uri))).convert("L"))
            case "nearest" if nearest:
                return _png(self.beside(line, nearest))
            case "heat" if self._subject.judge:
                return Encoded(self._heat.overlay(line), PNG)
            case "difference" if nearest:
                return _png(difference(self.image(line), self.beside(line, nearest)))
        raise NotFound(f"this picture has no layer {layer!r}")

    def _nearest(self, line: ManifestLine) -> ManifestLine | None:
        """The real training image that the filter found to be the nearest, where it looked and it is still there."""
        return self._subject.real.get(line.judgement.nearest_real)

    def beside(self, line: ManifestLine, real: ManifestLine) -> Image.Image:
        """A real picture in the shape of a line's: what a network made is square, so the other becomes so as it did."""
        image = self.image(real)
        if line.is_real:
            return image
        side_px = max(line.file.width, min(real.file.width, real.file.height))
        return to_square(image, side_px, real.file.fit or "stretch")

    def unnamed(self, line: ManifestLine, side_px: int) -> Encoded:
        """A picture of which neither size, nor colours, nor file say what it is: a square in RGB."""
        return _png(to_square(self.image(line).convert("RGB"), side_px, line.file.fit or "stretch"))

    def image(self, line: ManifestLine, needed_px: int = 0) -> Image.Image:
        """A line's picture as its dataset has it, on white ground: "L" or "RGB"."""
        content = picture_of(self._store, line)
        with memory_of(line):
            image = image_of(content, line, needed_px)
            return on_white(image) if image.mode == "RGBA" else image


def difference(picture: Image.Image, other: Image.Image) -> Image.Image:
    """The largest difference of the channels, "L": black where they are equal, white where it is 255.

    Args:
        other: is stretched to the size of `picture`; in grey where one of them is.
    """
    if other.size != picture.size:
        other = other.resize(picture.size, Image.Resampling.LANCZOS)
    mode = "RGB" if picture.mode == other.mode == "RGB" else "L"
    ours, theirs = (np.asarray(image.convert(mode), np.int16) for image in (picture, other))
    apart = np.abs(ours - theirs)
    return Image.fromarray((apart.max(axis=2) if apart.ndim == 3 else apart).astype(np.uint8))


def _png(image: Image.Image) -> Encoded:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return Encoded(buffer.getvalue(), PNG)
