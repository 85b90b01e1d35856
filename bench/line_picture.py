"""Draws the line in one picture, docs/line.svg: `python -m bench.line_picture`.

Its colours follow the reader's: the picture has no ground of its own.
"""

import sys
from dataclasses import dataclass
from html import escape
from pathlib import Path

from orchestrator.pipeline.arms import COLOURS

PICTURE = Path(__file__).parents[1] / "docs/line.svg"
WIDTH, HEIGHT = 860, 300
BOX_WIDTH, BOX_HEIGHT = 148, 54
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328; text-anchor: middle }
.small { font-size: 11px; fill: #59636e }
rect { fill: #f6f8fa; stroke: #59636e }
path { fill: none; stroke: #59636e; stroke-width: 1.5; marker-end: url(#end) }
#end path { fill: #59636e; stroke: none; marker-end: none }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .small { fill: #9198a1 } rect { fill: #151b23; stroke: #9198a1 }
  path { stroke: #9198a1 } #end path { fill: #9198a1 }
}
"""


@dataclass(frozen=True)
class Box:
    """A step: where its middle is, its name, and what it does."""

    x: int
    y: int
    name: str
    does: str
    colour: str = ""  # of its frame; empty: as every other's

    @property
    def svg(self) -> str:
        """As elements."""
        frame = f' style="stroke:{self.colour};stroke-width:2.5"' if self.colour else ""
        left, top = self.x - BOX_WIDTH // 2, self.y - BOX_HEIGHT // 2
        return (
            f'<rect x="{left}" y="{top}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="8"{frame}/>'
            f'<text x="{self.x}" y="{self.y - 4}">{escape(self.name)}</text>'
            f'<text class="small" x="{self.x}" y="{self.y + 14}">{escape(self.does)}</text>'
        )


BASELINE, EXPANDED = COLOURS[:2]
BOXES = {
    "photographs": Box(82, 150, "photographs", "good and defective"),
    "ingest": Box(256, 150, "ingest", "splits by part"),
    "baseline": Box(604, 40, "baseline", "learns real images", BASELINE),
    "judge": Box(430, 150, "judge", "knows what is real"),
    "generators": Box(430, 250, "generators", "one a label"),
    "filter": Box(604, 250, "filter", "keeps what is right"),
    "expanded": Box(604, 150, "expanded", "real and synthetic", EXPANDED),
    "report": Box(778, 95, "report", "does it help?"),
}
ARROWS = (
    ("photographs", "ingest"), ("ingest", "judge"), ("ingest", "baseline"), ("ingest", "generators"),
    ("generators", "filter"), ("judge", "filter"), ("filter", "expanded"),
    ("baseline", "report"), ("expanded", "report"),
)  # fmt: skip


def picture() -> str:
    """The SVG's text."""
    title = "The line: photographs, ingest, judge, generators, filter, both arms, report"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
            f"<title>{title}</title>",
            f"<style>{STYLE}</style>",
            '<defs><marker id="end" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
            '<path d="M0 0 L8 4 L0 8 z"/></marker></defs>',
            *(_arrow(BOXES[start], BOXES[end]) for start, end in ARROWS),
            *(box.svg for box in BOXES.values()),
            "</svg>",
            "",
        ]
    )


def _arrow(start: Box, end: Box) -> str:
    """From the side of one box to that of another; from its top where the other stands higher, or above it."""
    if start.x == end.x:
        sign = 1 if end.y > start.y else -1
        half = sign * BOX_HEIGHT // 2
        return f'<path d="M{start.x} {start.y + half} L{end.x} {end.y - half}"/>'
    if end.y < start.y:
        return f'<path d="M{start.x} {start.y - BOX_HEIGHT // 2} L{end.x - BOX_WIDTH // 2} {end.y}"/>'
    return f'<path d="M{start.x + BOX_WIDTH // 2} {start.y} L{end.x - BOX_WIDTH // 2} {end.y}"/>'


def main() -> int:
    """Write the picture."""
    PICTURE.write_text(picture())
    return 0


if __name__ == "__main__":
    sys.exit(main())
