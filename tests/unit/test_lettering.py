"""Text on pictures: other characters look otherwise, whatever their script, and none is an empty box."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.ft2font import FT2Font
from PIL import Image, ImageDraw

from defectory import lettering
from defectory.lettering import Lettering, families, font_of

STIX = Path(mpl.get_data_path(), "fonts/ttf/STIXGeneral.ttf")


def drawn(text: str) -> bytes:
    """The picture of a text."""
    sheet = Image.new("L", (400, 30), "white")
    Lettering(14).draw(ImageDraw.Draw(sheet), 2, 2, text)
    return np.asarray(sheet).tobytes()


@pytest.mark.parametrize("word", ["größer", "škrábanec", "çizik", "царапина", "γρατσουνιά", "خدش", "≥ 3 µm"])
def test_every_letter_of_a_label_has_a_shape_of_its_own(word: str) -> None:
    letters = sorted(set(word) - {" "})
    assert all(font_of(letter) for letter in letters)
    assert len({drawn(letter) for letter in letters}) == len(letters)


def test_a_character_that_dejavu_lacks_is_taken_from_another_font(monkeypatch: pytest.MonkeyPatch) -> None:
    known = set(FT2Font(str(lettering.DEJAVU)).get_charmap())
    (code, *_) = sorted(set(FT2Font(str(STIX)).get_charmap()) - known - set(range(0xE000, 0xF900)))
    monkeypatch.setattr(lettering, "_system_fonts", lambda: (STIX,))
    monkeypatch.setattr(lettering, "font_of", font_of.__wrapped__)
    assert lettering.font_of(chr(code)) == STIX
    assert drawn(chr(code)) not in (drawn(f"U+{code:04X}"), drawn(""))
    assert lettering.families(f"a{chr(code)}") == ["DejaVu Sans", "STIXGeneral"]


def test_what_no_font_has_is_written_as_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lettering, "_system_fonts", tuple)
    monkeypatch.setattr(lettering, "font_of", font_of.__wrapped__)
    assert drawn("划") == drawn("U+5212")
    assert drawn("划痕") == drawn("U+5212U+75D5")
    assert families("划") == ["DejaVu Sans"]


def test_a_text_is_cut_where_it_does_not_fit() -> None:
    letters = Lettering(11)
    assert letters.fitting("царапина", 1000) == "царапина"
    cut = letters.fitting("царапина на поверхности", 60)
    assert cut.endswith("…")
    assert letters.width(cut) <= 60
    assert letters.fitting("царапина", 1) == ""


def test_a_text_is_wrapped_at_its_words_and_a_word_that_is_too_wide_is_cut() -> None:
    letters = Lettering(14)
    text = "no heat shown: it lies on the background"
    lines = letters.wrapped(text, 200)
    assert len(lines) > 1
    assert " ".join(lines) == text
    assert all(letters.width(line) <= 200 for line in lines)
    assert letters.wrapped(text, 2000) == [text]
    (cut,) = letters.wrapped("W" * 100, 200)
    assert cut.endswith("…")
    assert letters.wrapped("", 200) == []
