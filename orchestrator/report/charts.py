"""A chart of a page: drawn in it, and beside it as PNG and, in numbers, as CSV."""

import base64
import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.text import Text

from defectory.lettering import families

SVG = "image/svg+xml"
Row = Mapping[str, object]  # column -> value; of a chart's rows all have the same columns


@dataclass(frozen=True)
class Chart:
    """One chart.

    Attributes:
        name: of its files, without ending. title: also read in its place to whoever does not see it.
        rows: the numbers that it shows, at least one row.
    """

    name: str
    title: str
    figure: Figure
    rows: Sequence[Row]

    @cached_property
    def image(self) -> str:
        """As a data URI for the page."""
        return data_uri(svg(self.figure), SVG)

    def files(self) -> dict[str, bytes]:
        """File name -> content, of both files beside the page."""
        return {f"{self.name}.png": png(self.figure), f"{self.name}.csv": csv_of(self.rows)}


def file_name(*words: str) -> str:
    """A file's name of some words, which may be any folder's names."""
    return "-".join(re.sub(r"[^A-Za-z0-9_]+", "-", word).strip("-") or "x" for word in words)


def csv_of(rows: Iterable[Row]) -> bytes:
    """Rows as CSV, with all columns that any of them has; at least one row."""
    rows = list(rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(column for row in rows for column in row)))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def data_uri(data: bytes, kind: str = "image/png") -> str:
    """Bytes as a data: URI."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def png(figure: Figure, dpi: int = 150) -> bytes:
    """A figure as a picture of dots, for a presentation."""
    _laid_out(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def svg(figure: Figure) -> bytes:
    """A figure as SVG, the same bytes each time."""
    _laid_out(figure)
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "defectory", "svg.fonttype": "path"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def _laid_out(figure: Figure) -> None:
    """See that every text has a font with its letters, and find every part's place once: each drawing would again."""
    for text in figure.findobj(Text):
        text.set_fontfamily(families(text.get_text()))
    if figure.get_layout_engine() is not None:
        figure.draw_without_rendering()
        figure.set_layout_engine(None)
