"""Text on pictures, readable in every script: DejaVu Sans, and the system's fonts for characters that it lacks."""

from collections.abc import Iterator
from functools import cache
from itertools import groupby
from pathlib import Path

import matplotlib as mpl
from matplotlib.ft2font import FT2Font
from PIL import ImageDraw, ImageFont

DEJAVU = Path(mpl.get_data_path(), "fonts/ttf/DejaVuSans.ttf")  # which every matplotlib brings
NOT_FOR_READING = ("cm", "STIXSiz", "STIXNonUni", "LastResort")  # of matplotlib's own: other codes, or a box for all


class Lettering:
    """Draws text of one size.

    A character that no font here has is written as its code, "U+5212": a box would look the same for all of them.
    """

    def __init__(self, size_px: int) -> None:
        self._size_px = size_px
        self._fonts: dict[Path, ImageFont.FreeTypeFont] = {}

    def draw(self, pen: ImageDraw.ImageDraw, left: int, top: int, text: str) -> None:
        """Draw in black; (left, top) is where the text begins."""
        at = float(left)
        baseline = top + self._font(DEJAVU).getmetrics()[0]
        for font, part in self._parts(text):
            pen.text((at, baseline), part, fill="black", font=font, anchor="ls")
            at += font.getlength(part)

    def width(self, text: str) -> float:
        """Pixels that the text takes."""
        return sum(font.getlength(part) for font, part in self._parts(text))

    def fitting(self, text: str, width: int) -> str:
        """The text, or its beginning with "…", in so many pixels; empty where nothing fits."""
        while text and self.width(text) > width:
            text = text[:-2].rstrip("…") + "…" if len(text) > 2 else ""
        return text

    def wrapped(self, text: str, width: int) -> list[str]:
        """The text's words in lines of so many pixels; a word that is wider is cut."""
        lines: list[str] = []
        for word in text.split():
            longer = f"{lines[-1]} {word}" if lines else word
            if lines and self.width(longer) <= width:
                lines[-1] = longer
            else:
                lines.append(self.fitting(word, width))
        return lines

    def _parts(self, text: str) -> Iterator[tuple[ImageFont.FreeTypeFont, str]]:
        for file, characters in groupby(text, font_of):
            part = "".join(characters)
            written = part if file else "".join(f"U+{ord(character):04X}" for character in part)
            yield self._font(file or DEJAVU), written

    def _font(self, file: Path) -> ImageFont.FreeTypeFont:
        if file not in self._fonts:
            self._fonts[file] = ImageFont.truetype(file, self._size_px)
        return self._fonts[file]


def families(text: str) -> list[str]:
    """Names of the fonts that have the text's characters, for a figure's text."""
    files = dict.fromkeys([DEJAVU, *(file for character in text if (file := font_of(character)))])
    return [FT2Font(str(file)).family_name for file in files]


@cache
def font_of(character: str) -> Path | None:
    """The file of a font that has the character: DejaVu Sans where it does; None where no font does."""
    if ord(character) in _characters(DEJAVU):
        return DEJAVU
    return next((file for file in _system_fonts() if ord(character) in _characters(file)), None)


@cache
def _characters(file: Path) -> frozenset[int]:
    return frozenset(FT2Font(str(file)).get_charmap())


@cache
def _system_fonts() -> tuple[Path, ...]:
    from matplotlib.font_manager import fontManager  # looks through the machine's fonts, which takes a moment

    upright = [font for font in fontManager.ttflist if font.style == "normal" and font.weight in (400, "normal")]
    files = sorted({Path(font.fname) for font in upright})
    return tuple(file for file in files if not file.name.startswith(NOT_FOR_READING))
