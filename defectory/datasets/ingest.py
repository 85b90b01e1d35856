"""From a folder of photographs to a dataset: looked at, grouped, split, stored. A bad file stops nothing."""

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from defectory.datasets.bits import Depth, check_bits, find_bits
from defectory.datasets.groups import find_groups
from defectory.datasets.growth import check_growth, grow_test
from defectory.datasets.layouts import read_source
from defectory.datasets.layouts.source import Choices, Source, SourceFile
from defectory.datasets.layouts.summary import label_of, summarise
from defectory.datasets.layouts.table import with_groups
from defectory.datasets.manifest import original_key, read_card, write_dataset
from defectory.datasets.manifest_line import ManifestLine, MaskFile, Origin, PictureFile, Split
from defectory.datasets.parts import FOUND
from defectory.datasets.photographs import Photograph, Reading, Stored, masks_left_out, notes_of, read_photographs
from defectory.datasets.shares import Shares, divides, lacking
from defectory.datasets.splits import (
    DEFAULT_SHARES,
    MIN_GROUPS,
    SPLIT_NAMES,
    check_shares,
    counts,
    split_by_group,
)
from defectory.datasets.tiles import Tiling
from defectory.errors import DefectoryError, InvalidInput
from defectory.imaging import Fit
from defectory.models import check_name
from defectory.phases import each
from defectory.storage.parallel import parallel_put
from defectory.storage.store import ObjectStore

Report = Callable[[str, int, int, str], None]  # stage, done, total, unit
WORKERS = 4
FEW_TESTED = 30  # parts in the test split below which an interval is wide enough to be spoken of
DRAWN_FILE = "drawn.txt"  # beside images that no camera took: says what they are, and follows them into every report


@dataclass(frozen=True)
class IngestResult:
    """What an ingest made."""

    manifest_uri: str
    card: dict[str, Any]
    counts: dict[str, dict[str, int]]  # split -> label -> images
    skipped: list[tuple[str, str]] = field(default_factory=list)  # (path, reason)


def ingest(
    directory: Path,
    store: ObjectStore,
    name: str,
    *,
    fit: Fit = "stretch",
    labels: Literal["binary", "kinds"] = "binary",
    seed: int = 0,
    keep_alpha: bool = False,
    bits: int | None = None,
    tiling: Tiling | None = None,
    groups_csv: Path | None = None,
    shares: tuple[float, float, float] = DEFAULT_SHARES,
    grow_test_to: int = 0,
    test_augmentations: Sequence[str] = (),
    choices: Choices = Choices(),  # noqa: B008 -- frozen
    report: Report | None = None,
    on_source: Callable[[Source], None] | None = None,
) -> IngestResult:
    """Read a folder or table of photographs, in any layout of `defectory.datasets.layouts`, into a dataset.

    Args:
        name: of the dataset, [a-z0-9][a-z0-9._-]{0,62}.
        fit: how a picture becomes square for a network; see `defectory.imaging.to_square`.
        labels: `binary` makes "good" and "defect" (the kind is kept beside it), `kinds` keeps every label.
        keep_alpha: images that are transparent somewhere stay so, and the dataset is RGBA; else they lie on white.
        bits: that the values of 16-bit files use, in [8, 16]; None: found by looking at all of them.
        tiling: how photographs are cut into square tiles, which share a group; None: they stay whole.
        groups_csv: which photographs show the same part; absent: groups are found.
        shares: of train, validation and test.
        grow_test_to: images that the test split grows to by augmented copies, marked as such; 0: it stays as it is.
        test_augmentations: which; see `defectory.datasets.growth.AUGMENTATIONS`.
        choices: what a person said of a folder that can be read in more than one way.
        on_source: is told what was recognised before any photograph is read, and may raise.

    Raises:
        NotFound: nothing at the path. InvalidInput: no layout fits, a setting is out of range, or too little is left.
    """
    check_name(name)
    check_shares(shares)
    check_growth(grow_test_to, test_augmentations)
    check_bits(bits)
    if tiling:
        tiling.check()
    say = report or (lambda *_: None)
    source = read_source(directory, choices)
    if groups_csv:
        source = with_groups(source, groups_csv)
    if on_source:
        on_source(source)
    depth = Depth(bits) if bits else _find_bits(source, say)
    with tempfile.TemporaryDirectory(prefix="defectory-ingest-") as scratch:
        reading = Reading(fit, keep_alpha, depth.bits, tiling, source.good, Path(scratch))
        photographs, skipped = _read(source, reading, say)
        notes = [note for note in (depth.note, *notes_of(photographs, reading)) if note]
        photographs = _without_duplicates(photographs, skipped)
        if not photographs:
            raise InvalidInput(
                f"{directory} holds no image that can be read; {_first(skipped)}", {"directory": "no images"}
            )
        say("looking for photographs of the same part", 0, len(photographs), "images")
        groups = _groups(photographs)
        splits, straddling = _split(photographs, groups, seed, shares)
        lines = _lines(store, name, source, photographs, groups, splits, labels, reading)
        _check_enough(lines)
        _check_trained(lines, source)
        _store(store, lines, photographs, say)
    lacks = lacking(counts(lines), Shares(*shares[1:]) if divides(source) else None)
    if grow_test_to:
        lines += grow_test(store, name, lines, grow_test_to, test_augmentations, seed)
    card = {
        "layout": source.layout,
        "fit": fit,
        "colour": lines[0].file.colour,
        "bits": depth.bits,
        "bits_from": "given" if bits else "found",
        "deep": sum(photograph.deep for photograph in photographs),
        "tiling": asdict(tiling) if tiling else None,
        "label_mode": labels,
        "seed": seed,
        "shares": list(shares),
        "test_copies": sum(bool(line.origin.augmentation) for line in lines),
        "groups_from": "given" if any(file.group for file in source.files) else "found",
        "groups": len(set(groups)),
        "skipped": [list(entry) for entry in skipped],
        "source": summarise(source, labels),
        "straddling": straddling,
        "masks_left_out": masks_left_out(photographs),
        "notes": notes,
        "drawn": _drawn(directory),
        "warning": _warning(lines),
        "validation_warning": lacks,
    }
    manifest_uri = write_dataset(store, name, lines, card)
    written = read_card(store, name)
    return IngestResult(manifest_uri, written, written["counts"], skipped)


def _find_bits(source: Source, say: Report) -> Depth:
    paths = [source.root / file.path for file in source.files]
    return find_bits(paths, lambda done, of: say("looking for the bits in use", done, of, "images"))


def _read(source: Source, reading: Reading, say: Report) -> tuple[list[Photograph], list[tuple[str, str]]]:
    photographs: list[Photograph] = []
    skipped: list[tuple[str, str]] = []

    def one(file: SourceFile) -> list[Photograph] | str:
        try:
            return read_photographs(source.root, file, reading)
        except DefectoryError as error:
            return str(error)
        except OSError as error:
            return f"cannot be read: {error.strerror or error}"

    for number, (file, result) in enumerate(each("reading", _side_by_side(one, source.files)), start=1):
        if isinstance(result, str):
            skipped.append((file.path, result))
        else:
            photographs += result
        say("reading photographs", number, len(source.files), "images")
    return photographs, skipped


def _side_by_side(
    work: Callable[[SourceFile], list[Photograph] | str], files: Sequence[SourceFile]
) -> Iterator[tuple[SourceFile, list[Photograph] | str]]:
    """Results in order; decoding leaves Python's lock, so threads help. A block at a time bounds the memory."""
    with ThreadPoolExecutor(WORKERS) as pool:
        for start in range(0, len(files), 64):
            block = files[start : start + 64]
            yield from zip(block, pool.map(work, block), strict=True)


def _without_duplicates(photographs: list[Photograph], skipped: list[tuple[str, str]]) -> list[Photograph]:
    """The first of every set of equal images; the others are listed as skipped."""
    first: dict[str, Photograph] = {}
    for photograph in photographs:
        known = first.setdefault(photograph.pixels_sha256, photograph)
        if known is not photograph:
            other = "" if known.file.label == photograph.file.label else f", which is labelled {known.file.label!r}"
            skipped.append((photograph.name, f"the same image as {known.name}{other}"))
    return list(first.values())


def _groups(photographs: Sequence[Photograph]) -> list[str]:
    """Group of every photograph: as table or layout has it, else found."""
    files = {p.file.path: p for p in photographs}  # tiles of one show one part
    known = {path: p.file.group for path, p in files.items()}
    if not all(known.values()):
        numbers = find_groups(np.stack([p.structure for p in files.values()]))
        names: dict[int, str] = {}
        for group, number in zip(known.values(), numbers, strict=True):
            # A found group that touches a given one is part of it.
            if group:
                names.setdefault(int(number), group)
        for path, number in zip(files, numbers, strict=True):
            known[path] = known[path] or names.get(int(number), f"{FOUND}{number}")
    return [known[p.file.path] for p in photographs]


def _split(
    photographs: Sequence[Photograph], groups: Sequence[str], seed: int, shares: tuple[float, float, float]
) -> tuple[list[Split], int]:
    """The split of every photograph, and how many groups lie in several because the layout fixed it so.

    What a layout fixes stays, photograph by photograph; the rest of a group goes where its fixed ones are tested, else
    validated, so that it does not leak.
    """
    fixed: dict[str, Split] = {}
    for split in SPLIT_NAMES:  # the later the split, the more a leak into it would hurt
        fixed |= {g: split for g, p in zip(groups, photographs, strict=True) if p.file.split == split}
    drawn = split_by_group([p.file.label for p in photographs], groups, seed=seed, shares=shares, fixed=fixed)
    splits = [p.file.split if p.file.split != "none" else split for p, split in zip(photographs, drawn, strict=True)]
    homes: dict[str, set[Split]] = {}
    for group, split in zip(groups, splits, strict=True):
        homes.setdefault(group, set()).add(split)
    return splits, sum(len(several) > 1 for several in homes.values())


def _lines(
    store: ObjectStore,
    name: str,
    source: Source,
    photographs: Sequence[Photograph],
    groups: Sequence[str],
    splits: Sequence[Split],
    labels: str,
    reading: Reading,
) -> list[ManifestLine]:
    """The manifest's lines. A dataset has one number of colours: grey photographs among coloured ones are RGB in it."""
    colour: Literal["L", "RGB", "RGBA"] = "L" if all(p.grey for p in photographs) else "RGB"
    if any(p.alpha for p in photographs):
        colour = "RGBA"
    lines = []
    for photograph, group, split in zip(photographs, groups, splits, strict=True):
        file, tile, mask = photograph.file, photograph.tile, photograph.mask
        lines.append(
            ManifestLine(
                file=PictureFile(
                    uri=store.uri(original_key(name, photograph.stored.sha256, photograph.stored.ending)),
                    sha256=photograph.stored.sha256,
                    width=photograph.size[0],
                    height=photograph.size[1],
                    colour=colour,
                    bits=reading.bits,
                    fit=reading.fit,
                ),
                label=label_of(file.label, source.good, labels),
                split=split,
                group=group,
                kind="" if file.label == source.good else file.label,
                kinds=file.kinds if len(file.kinds) > 1 else (),
                mask=MaskFile(uri=store.uri(_mask_key(name, mask)), sha256=mask.sha256) if mask else None,
                origin=Origin(source=file.path, tile=(tile.left, tile.top, tile.side) if tile else None),
            )
        )
    return lines


def _mask_key(name: str, mask: Stored) -> str:
    return f"datasets/{name}/masks/{mask.sha256}.{mask.ending}"


def _store(store: ObjectStore, lines: Sequence[ManifestLine], photographs: Sequence[Photograph], say: Report) -> None:
    def objects() -> Iterator[tuple[str, bytes]]:
        for number, (line, photograph) in enumerate(zip(lines, photographs, strict=True), start=1):
            yield store.key(line.file.uri), photograph.stored.read()
            if line.mask and photograph.mask:
                yield store.key(line.mask.uri), photograph.mask.read()
            say("storing pictures", number, len(lines), "pictures")

    parallel_put(store, objects())


def _check_enough(lines: Sequence[ManifestLine]) -> None:
    """InvalidInput where a label has no part for one of the splits: what is learnt of it could not be measured.

    One label is enough: a generator needs no other.
    """
    parts: dict[str, set[str]] = {}
    for line in lines:
        parts.setdefault(line.label, set()).add(line.group)
    few = {label: len(groups) for label, groups in parts.items() if len(groups) < MIN_GROUPS}
    if few:
        right = f"give photographs of at least {MIN_GROUPS} different parts of each label, or leave the label out"
        raise InvalidInput(
            f"too few parts to train, validate and test on: {json.dumps(few)}; {right}", {"directory": right}
        )


def _check_trained(lines: Sequence[ManifestLine], source: Source) -> None:
    """InvalidInput where fixed splits leave nothing of a label to train on."""
    if divides(source):
        return
    untrained = {line.label for line in lines} - {line.label for line in lines if line.split == "train"}
    if untrained:
        right = "put some of it into train, or let the splits be made (without --keep-splits, without a column split)"
        raise InvalidInput(
            f"the splits of {source.root} leave nothing of {', '.join(sorted(untrained))} to train on: {right}",
            {"split": right},
        )


def _warning(lines: Sequence[ManifestLine]) -> str:
    """What a small test split can say at best; the end of Clopper and Pearson's 95% interval of none wrong."""
    tested = len({line.group for line in lines if line.split == "test"})
    if not 0 < tested < FEW_TESTED:
        return ""
    wrong = 1 - 0.025 ** (1 / tested)
    return (
        f"the test split holds {tested} part{'s' * (tested != 1)} only, so what is measured on it is known roughly: "
        f"even if a classifier is right about all of them, it may be wrong about up to {wrong:.0%} of new parts; "
        f"photograph more parts ({FEW_TESTED} in it are better)"
    )


def _drawn(directory: Path) -> str:
    """What the folder says of images that were drawn, not photographed; empty for photographs."""
    path = directory / DRAWN_FILE
    return " ".join(path.read_text(errors="replace").split())[:200] if path.is_file() else ""


def _first(skipped: Sequence[tuple[str, str]]) -> str:
    return (
        f"the first of {len(skipped)} skipped files is {skipped[0][0]}: {skipped[0][1]}" if skipped else "it is empty"
    )
