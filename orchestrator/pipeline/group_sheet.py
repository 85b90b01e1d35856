"""Which photographs were taken for one part: a sheet with a row a group, for a person to look over."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from defectory.datasets.manifest_line import ManifestLine
from defectory.datasets.parts import FOUND
from defectory.datasets.pictures import image_of, memory_of, pictures_of
from defectory.errors import DefectoryError, InvalidInput
from defectory.imaging import encode_png
from defectory.imaging.sheet import contact_sheet
from defectory.lettering import Lettering
from defectory.storage.store import ObjectStore

MOST_GROUPS = 20  # rows of a sheet
ACROSS = 8  # photographs of a row
TILE_PX, GAP_PX = 112, 6
LETTERS_PX, LINE_PX = 11, 16  # of the two lines above a row: what the group is, and its photographs' names

NOTHING = np.full((1, 1, 3), 255, np.uint8)
UNREADABLE = np.full((TILE_PX, TILE_PX, 3), 128, np.uint8)


@dataclass(frozen=True)
class Group:
    """Photographs that were taken for the same part; tiles of one photograph, and augmented copies, count once."""

    name: str
    photographs: tuple[ManifestLine, ...]  # by name

    @property
    def labels(self) -> int:
        """How many labels its photographs have."""
        return len({line.label for line in self.photographs})

    @property
    def title(self) -> str:
        """E.g. "found-3 (they look alike): 4 good photographs, in train"; several labels or splits are worth a look."""
        counts = Counter(line.label for line in self.photographs)
        labels = " and ".join(f"{counts[label]} {label}" for label in sorted(counts))
        splits = " and ".join(sorted({line.split for line in self.photographs})).replace("none", "no split")
        how = "they look alike" if self.name.startswith(FOUND) else "given"
        return f"{self.name} ({how}): {labels} photographs, in {splits}"


def groups_of(lines: Sequence[ManifestLine]) -> list[Group]:
    """The groups of several photographs, those first that are likeliest to be wrong.

    These are the ones with several labels, then the largest: one part is rarely good and defective, nor photographed
    often.
    """
    by_group: dict[str, dict[str, ManifestLine]] = {}
    for line in lines:
        if line.is_real and line.group and not line.origin.augmentation:
            by_group.setdefault(line.group, {}).setdefault(line.origin.source or line.file.sha256, line)
    groups = [
        Group(name, tuple(sorted(of_it.values(), key=lambda line: line.origin.source)))
        for name, of_it in by_group.items()
        if len(of_it) > 1
    ]
    return sorted(groups, key=lambda group: (-group.labels, -len(group.photographs), group.name))


def group_sheet(store: ObjectStore, groups: Sequence[Group], most: int = MOST_GROUPS, said: str = "") -> bytes:
    """The first groups as a PNG: a row each of at most ACROSS photographs, under the group's title and their names.

    A photograph that cannot be read leaves its place grey.

    Args:
        groups: at least one. said: what a person should know of them, which stands above all.

    Raises:
        Corrupted: a file is not the one that its line describes. Unavailable, Exhausted, Refused: the store.
    """
    shown = groups[:most]
    columns = max(min(len(group.photographs), ACROSS) for group in shown)
    tiles: list[np.ndarray] = []
    pictures = iter(_thumbnails(store, [line for group in shown for line in group.photographs[:ACROSS]]))
    for group in shown:
        tiles += [next(pictures) for _ in group.photographs[:ACROSS]]
        tiles += [NOTHING] * (-len(tiles) % columns)
    above = 2 * LINE_PX
    tiled = contact_sheet(tiles, columns, tile_px=(TILE_PX, TILE_PX), gap_px=GAP_PX, above_px=above, ground=255)
    lettering = Lettering(LETTERS_PX)
    head = lettering.wrapped(said, tiled.shape[1])
    under = GAP_PX + len(head) * LINE_PX + GAP_PX * bool(head)
    sheet = Image.fromarray(np.pad(tiled, ((under, GAP_PX), (GAP_PX, GAP_PX), (0, 0)), constant_values=255))
    pen = ImageDraw.Draw(sheet)
    for number, text in enumerate(head):
        lettering.draw(pen, GAP_PX, GAP_PX + number * LINE_PX, text)
    for number, group in enumerate(shown):
        top = under + number * (above + TILE_PX + GAP_PX)
        left_out = len(group.photographs) - ACROSS
        title = group.title + (f"; {left_out} more are not shown" if left_out > 0 else "")
        lettering.draw(pen, GAP_PX, top, lettering.fitting(title, sheet.width - 2 * GAP_PX))
        for column, line in enumerate(group.photographs[:ACROSS]):
            name = PurePosixPath(line.origin.source).name or line.file.sha256[:12]
            left = GAP_PX + column * (TILE_PX + GAP_PX)
            lettering.draw(pen, left, top + LINE_PX, lettering.fitting(name, TILE_PX))
    return encode_png(sheet)


def _thumbnails(store: ObjectStore, lines: Sequence[ManifestLine]) -> Iterator[np.ndarray]:
    """Each line's picture, no side longer than TILE_PX: uint8 (height, width, 3)."""
    for line, content in zip(lines, pictures_of(store, lines), strict=True):
        if isinstance(content, DefectoryError):
            yield UNREADABLE
            continue
        try:
            with memory_of(line):
                picture = image_of(content, line, TILE_PX).convert("RGB")
        except InvalidInput:
            yield UNREADABLE
            continue
        yield np.asarray(ImageOps.contain(picture, (TILE_PX, TILE_PX), Image.Resampling.LANCZOS))
