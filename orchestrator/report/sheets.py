"""Sheets of a run's images, each of which says by a click what it came from."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from defectory.datasets.manifest_line import ManifestLine
from defectory.storage.store import ObjectStore
from orchestrator.report.charts import Row, csv_of, data_uri, file_name
from orchestrator.report.content import RunContent, some_images, spread
from orchestrator.report.detail import FULL, JPEG, Detail
from orchestrator.report.figures import jpeg, sheet
from orchestrator.report.lineage import REASONS, SHORT, facts_of, lineage_row, relatives_of

COLUMNS = 12  # of a sheet as a file


@dataclass(frozen=True)
class Group:
    """Images that belong together: of one label, with one fate."""

    label: str
    title: str
    lines: Sequence[ManifestLine]


@dataclass(frozen=True)
class Pictured:
    """A group, and as PNG the pictures of some of its lines."""

    group: Group
    name: str  # of its files
    pictures: Sequence[tuple[ManifestLine, bytes]]


@dataclass(frozen=True)
class Relative:
    """An image that another one's line names. target: the tile that shows it, or ""; image: a data URI, or ""."""

    what: str
    name: str
    target: str
    image: str


@dataclass(frozen=True)
class Tile:
    """One image of a sheet. id: of its place in the page; image: a data URI."""

    id: str
    image: str
    facts: Sequence[tuple[str, str]]
    relatives: Sequence[Relative]


@dataclass(frozen=True)
class Sheet:
    """Some images of a label side by side. count: of all that there are; name: of its files."""

    name: str
    label: str
    title: str
    count: int
    tiles: Sequence[Tile]


class Album:
    """The pictures that a page shows of a run, read once, and shown in as much detail as there is room for."""

    def __init__(self, store: ObjectStore, content: RunContent, how: str) -> None:
        """Args: how: what "accepted" does not mean in this run; empty where it means what it says."""
        self._deciders = content.deciders
        self._images = _pictured(store, _groups(content, how), "images")
        self._overruled = _pictured(store, _overruled(content), "overruled")
        self._lines = {x.file.sha256: x for x in content.lines()}
        self._pictures = _with_relatives(store, self._all, self._lines)
        self._encoded: dict[tuple[str, int], str] = {}  # (sha256, side in px) -> data URI

    @property
    def _all(self) -> list[Pictured]:
        return [*self._images, *self._overruled]

    def sheets(self, detail: Detail) -> tuple[list[Sheet], list[Sheet]]:
        """(the run's images, those that people rejected over the filter), no more detailed than that."""
        places: dict[str, str] = {}  # sha256 -> id of the tile that shows it first
        for one in self._all:
            for number, (line, _) in enumerate(spread(one.pictures, detail.images)):
                places.setdefault(line.file.sha256, f"{one.name}-{number}")

        def sheet_of(one: Pictured) -> Sheet:
            tiles = [
                Tile(
                    id=f"{one.name}-{number}",
                    image=self._image(line.file.sha256, detail),
                    facts=list(facts_of(line, self._deciders)),
                    relatives=[
                        self._relative(what, other, detail, places)
                        for what, other in relatives_of(line, self._deciders.labels)
                    ],
                )
                for number, (line, _) in enumerate(spread(one.pictures, detail.images))
            ]
            return Sheet(one.name, one.group.label, one.group.title, len(one.group.lines), tiles)

        return list(map(sheet_of, self._images)), list(map(sheet_of, self._overruled))

    def _relative(self, what: str, sha256: str, detail: Detail, places: Mapping[str, str]) -> Relative:
        line = self._lines.get(sha256)
        name = (line.origin.source if line else "") or f"sha256 {sha256[:SHORT]}…"
        image = self._image(sha256, detail) if sha256 in self._pictures else ""
        return Relative(what, name, places.get(sha256, ""), image)

    def _image(self, sha256: str, detail: Detail) -> str:
        key = sha256, detail.tile_px
        if key not in self._encoded:
            self._encoded[key] = data_uri(jpeg(self._pictures[sha256], detail.tile_px), JPEG)
        return self._encoded[key]

    def files(self) -> dict[str, bytes]:
        """File name -> content: every sheet as PNG, and what all of their images came from as CSV."""
        files = {
            f"{one.name}.png": sheet([data for _, data in one.pictures], COLUMNS, FULL.tile_px) for one in self._all
        }
        rows: list[Row] = [
            {"sheet": f"{one.group.label}, {one.group.title}", **lineage_row(line, self._deciders)}
            for one in self._all
            for line in one.group.lines
        ]
        return {**files, "images.csv": csv_of(rows)} if rows else files


def _pictured(store: ObjectStore, groups: Iterable[Group], prefix: str) -> list[Pictured]:
    """Groups without any picture that can be read are left out."""
    read = [(group, pictures) for group in groups if (pictures := some_images(store, group.lines))]
    return [
        Pictured(group, file_name(prefix, str(number), group.label), pictures)
        for number, (group, pictures) in enumerate(read, start=1)
    ]


def _with_relatives(
    store: ObjectStore, shown: Iterable[Pictured], lines: Mapping[str, ManifestLine]
) -> dict[str, bytes]:
    """sha256 -> picture of every image that is shown, and of those that their lines name."""
    own = {line.file.sha256: (line, data) for one in shown for line, data in one.pictures}
    named = {other for line, _ in own.values() for _, other in relatives_of(line, {})} - own.keys()
    relatives = [read for sha256 in sorted(named & lines.keys()) for read in some_images(store, [lines[sha256]])]
    return {line.file.sha256: data for line, data in [*own.values(), *relatives]}


def _groups(content: RunContent, how: str) -> Iterator[Group]:
    for label in sorted({line.label for line in content.real}):
        judged = content.judged.get(label, [])
        yield Group(
            label, "real, for training",
            [x for x in content.real if x.label == label and x.split == "train" and x.is_real],
        )  # fmt: skip
        yield Group(label, "edited", [x for x in content.edited if x.label == label])
        accepted = [x for x in judged if x.judgement.verdict == "accepted"]
        yield Group(label, f"synthetic, accepted{f'; {how}' if how else ''}", accepted)
        for arm in content.arms:
            lines = [x for x in arm.unfiltered if x.label == label]
            yield Group(label, f"synthetic, as made, in {arm.title}", lines)
        for reason, text in REASONS.items():
            lines = [x for x in judged if reason in x.judgement.reasons]  # as the table counts them
            yield Group(label, f"rejected: {text}", lines)


def _overruled(content: RunContent) -> Iterator[Group]:
    for label, lines in content.overruled.items():
        yield Group(label, "accepted by the filter, rejected by people", lines)
