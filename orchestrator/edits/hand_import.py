"""What a person made of exported pictures, as a dataset of edits: with masks of what was changed, and lineage."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from defectory.datasets.manifest import check_output_dataset, content_hash, write_dataset
from defectory.datasets.manifest_line import ManifestLine
from defectory.errors import FailedPrecondition, InvalidInput, NotFound
from defectory.imaging import encode_png
from defectory.storage.references import rooted
from defectory.storage.store import ObjectStore
from orchestrator.edits.difference import Change, change_of
from orchestrator.edits.editor_files import read_editor_file
from orchestrator.edits.hand_export import INDEX, Index, as_stored, original_of, png_of, shown
from orchestrator.edits.line import Files, Shows, hand_line, objects
from orchestrator.edits.making import EDITED_FROM
from orchestrator.edits.pictures import read_line_mask

COVERED = 0.9  # of a defect, from which it may have been painted over
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Question:
    """A picture whose label an edit may have changed.

    Attributes:
        file: its name. label, kind: its original's. share: of the picture that was changed. why: in words.
    """

    file: str
    label: str
    kind: str
    share: float
    why: str


@dataclass(frozen=True)
class Taken:
    """A dataset of edits by hand.

    Attributes:
        left_out: (file, why). notes: (file, what was done to it). editors: name -> pictures.
    """

    manifest_uri: str
    content_hash: str
    images: int
    left_out: list[tuple[str, str]]
    notes: list[tuple[str, str]]
    editors: dict[str, int]


def read_index(store: ObjectStore, folder: Path) -> Index:
    """What a folder that was exported from the store, which may have been moved since, says of its files.

    Raises:
        NotFound: it was not exported from here. InvalidInput: its index was changed.
    """
    path = folder / INDEX
    if not path.is_file():
        raise NotFound(
            f"there is no {path}: `defectory edit export` makes a folder to edit, and `edit import` takes it"
        )
    try:
        return Index.model_validate_json(rooted(path.read_bytes(), store))
    except ValidationError as error:
        raise InvalidInput(
            f"{path} is not what `defectory edit export` wrote: {' '.join(str(error).split())}"
        ) from error


def import_from_hand(
    store: ObjectStore,
    folder: Path,
    index: Index,
    lines: Sequence[ManifestLine],
    dataset: str,
    *,
    person: str,
    editor: str = "",
    ask: Callable[[Question], str],
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Taken:
    """Take back what was edited, and write it as a dataset of training pictures.

    A file that is left as it was exported, or cannot be taken, is listed and stops nothing.

    Args:
        lines: of the dataset that was exported.
        editor: of files that do not say theirs.
        ask: says a label or kind of the dataset for a picture whose label may have changed.

    Raises:
        InvalidInput: an answer that is no label or kind. FailedPrecondition: not one edit could be taken.
        AlreadyExists: the name is that of a dataset that was made otherwise.
    """
    check_output_dataset(store, dataset, EDITED_FROM)
    training = {line.file.sha256: line for line in lines if line.split == "train"}
    files = sorted(x for x in folder.iterdir() if x.is_file() and x.name != INDEX and x.name[0] != ".")
    new_lines: dict[str, ManifestLine] = {}
    left_out: list[tuple[str, str]] = []
    notes: list[tuple[str, str]] = []
    editors: dict[str, int] = {}
    for number, path in enumerate(files, start=1):
        try:
            parent = _parent(path, index, training)
            read = read_editor_file(path)
            change = change_of(shown(original := original_of(store, parent), parent), read.numbers)
        except InvalidInput as error:
            left_out.append((path.name, str(error)))
            continue
        finally:
            report(number, len(files))
        notes += [(path.name, note) for note in (*read.notes, *change.notes)]
        own_mask = read_line_mask(store, parent)
        shows = _shows(path.name, parent, change, own_mask, lines, ask)
        mask = None if _is_good(shows, lines) else change.mask | own_mask if own_mask is not None else change.mask
        pixels = np.where(change.mask[..., None], as_stored(change.pixels, parent), original)
        png = encode_png(mask.astype(np.uint8) * 255) if mask is not None else None
        kept = Files(png_of(pixels), png)
        used = read.editor or editor or UNKNOWN
        line = hand_line(store, dataset, kept, parent, shows, used, person)
        for key, content in objects(line, kept, store):
            store.put(key, content)
        if line.file.sha256 not in new_lines:
            editors[used] = editors.get(used, 0) + 1
        new_lines[line.file.sha256] = line
    if not new_lines:
        why = f"; {left_out[0][0]}: {left_out[0][1]}" if left_out else ""
        raise FailedPrecondition(f"{folder} holds no edited picture{why}")
    written = list(new_lines.values())
    card = {
        EDITED_FROM: index.manifest_uri, "person": person, "editors": editors, "left_out": left_out, "notes": notes,
    }  # fmt: skip
    return Taken(
        write_dataset(store, dataset, written, card), content_hash(written), len(written), left_out, notes, editors
    )


def _parent(path: Path, index: Index, training: Mapping[str, ManifestLine]) -> ManifestLine:
    exported = index.pictures.get(path.stem)
    if exported is None:
        raise InvalidInput("it is none of the exported pictures: keep their names, whatever the ending")
    if exported.sha256 not in training:
        raise InvalidInput("its original is not among the dataset's training pictures any more")
    return training[exported.sha256]


def _shows(
    file: str,
    parent: ManifestLine,
    change: Change,
    own_mask: np.ndarray | None,
    lines: Sequence[ManifestLine],
    ask: Callable[[Question], str],
) -> Shows:
    """What the edited picture shows; a person is asked where that may be something else than before."""
    was = Shows(parent.label, parent.kind, parent.kinds)
    good = _is_good(was, lines)
    over = own_mask is not None and own_mask.any() and float(change.mask[own_mask].mean()) >= COVERED
    if not good and not over:
        return was
    why = "a good part was changed" if good else "its defect was painted over"
    answer = ask(Question(file, parent.label, parent.kind, float(change.mask.mean()), why))
    labels = {line.label for line in lines}
    label_of_kind = {line.kind: line.label for line in lines if line.kind}
    if answer in label_of_kind:
        return Shows(label_of_kind[answer], answer, ())
    if answer in labels:
        return was if answer == parent.label else Shows(answer, "", ())
    right = f"use one of {', '.join(sorted(labels | label_of_kind.keys()))}"
    raise InvalidInput(f"{file}: there is no label or kind {answer!r}; {right}", {"label": right})


def _is_good(shows: Shows, lines: Sequence[ManifestLine]) -> bool:
    """Whether a label is that of parts without a defect: no picture of it has a mask or a kind."""
    return not shows.kind and not any(x.mask or x.kind for x in lines if x.label == shows.label)
