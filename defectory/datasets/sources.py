"""Where a dataset comes from: an MVTec AD category, class folders, or a CSV file; what each file is said to show."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, cast

from defectory.datasets.manifest import Split
from defectory.errors import InvalidInput, NotFound

Layout = Literal["mvtec", "folders", "csv"]
SPLITS = ("train", "validation", "test")
_IMAGE_COLUMNS = ("image", "file", "path")
_GROUP_COLUMNS = ("group", "tile", "part")


@dataclass(frozen=True)
class SourceFile:
    """One file that is said to be an image, before it was opened."""

    path: str  # relative to the ingested folder, '/'-separated
    label: str  # the class folder, the kind of defect, or the CSV's label
    split: Split = "none"  # "none": to be chosen
    group: str = ""  # "": to be found
    mask_path: str = ""  # relative to the ingested folder


@dataclass(frozen=True)
class Source:
    """What was found at a path."""

    root: Path
    layout: Layout
    files: tuple[SourceFile, ...]
    good: str  # the label that means "no defect" ("" where there is none among the labels)


def read_source(path: Path) -> Source:
    """Find out how the images at a path are laid out, and list them, sorted by path.

    - A folder with `train/good`, or with `test/good` or `ground_truth` beside kinds under `test`: an MVTec AD category.
      The photographs of train and test are one pool; the category's own split has no defects to train on.
    - A CSV file, or a folder with exactly one CSV file that has the columns `image` and `label`: that table.
    - Otherwise every sub-folder is a class; files may lie deeper.

    Hidden files are left out, and so are files of a layout that are no images by their place (read-me files beside the
    class folders). Every other file is listed: whether it is an image is found out when it is opened.

    Raises:
        NotFound: there is nothing at the path.
        InvalidInput: no layout fits, or the table is wrong.
    """
    if not path.exists():
        raise NotFound(f"{path} does not exist; give a folder of images or a CSV file")
    if path.is_file():
        return _checked(_table_source(path.parent, path))
    if (path / "train" / "good").is_dir() or (path / "test" / "good").is_dir() or (path / "ground_truth").is_dir():
        return _checked(_mvtec_source(path))
    tables = [p for p in sorted(path.glob("*.csv")) if _is_image_table(p)]
    if len(tables) > 1:
        names = ", ".join(p.name for p in tables)
        raise InvalidInput(f"{path} holds several tables of images ({names}); give the one you mean")
    return _checked(_table_source(path, tables[0]) if tables else _folder_source(path))


def read_table(text: str, name: str = "table") -> list[SourceFile]:
    """Parse a CSV with the columns image, label and, optionally, group and split; others are ignored.

    Raises:
        InvalidInput: a column is missing; a row has no image or label, an unknown split, a path that leaves the folder,
            or an image that was named before. Names the row.
    """
    rows = _rows(text, name, required=(("image",), ("label",)))
    files: dict[str, SourceFile] = {}
    for number, row in rows:
        image = _inside(row["image"], f"{name}, row {number}")
        label = row["label"]
        if not label:
            raise InvalidInput(f"{name}, row {number}: {image} has no label")
        if image in files:
            raise InvalidInput(f"{name}, row {number}: {image} was named before; name every image once")
        split = {"": "none", "val": "validation"}.get(row.get("split", ""), row.get("split", ""))
        if split not in (*SPLITS, "none"):
            raise InvalidInput(f"{name}, row {number}: split {split!r} is not one of {', '.join(SPLITS)} or empty")
        files[image] = SourceFile(image, label, cast(Split, split), row.get("group", ""))
    return list(files.values())


def read_groups(text: str, name: str = "groups") -> dict[str, str]:
    """Parse a CSV with the columns image and group (or tile, or part): path -> group, without empty groups.

    Raises:
        InvalidInput: a column is missing, or an image has two groups.
    """
    groups: dict[str, str] = {}
    for number, row in _rows(text, name, required=(_IMAGE_COLUMNS, _GROUP_COLUMNS)):
        image = _inside(next(row[c] for c in _IMAGE_COLUMNS if c in row), f"{name}, row {number}")
        group = next(row[c] for c in _GROUP_COLUMNS if c in row)
        if groups.get(image, group) != group:
            raise InvalidInput(f"{name}, row {number}: {image} is in group {groups[image]!r} and in {group!r}")
        if group:
            groups[image] = group
    return groups


def read_csv_text(path: Path) -> str:
    """A CSV file's text, UTF-8 with or without byte-order mark.

    Raises:
        NotFound, InvalidInput: there is no such file, or it is not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except (FileNotFoundError, IsADirectoryError) as error:
        raise NotFound(f"{path} is not a file") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is not UTF-8 text: {error}") from error


def _rows(text: str, name: str, required: Sequence[Sequence[str]]) -> Iterator[tuple[int, dict[str, str]]]:
    """(row number, column -> stripped value) of each row with content; one column of each required set is there."""
    try:
        table = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True))
    except csv.Error as error:
        raise InvalidInput(f"{name} is not a CSV file: {error}") from error
    header = [cell.strip().lower() for cell in table[0]] if table else []
    for names in required:
        if not set(names) & set(header):
            raise InvalidInput(
                f"{name} has no column {' or '.join(names)}; its columns are {', '.join(header) or 'none'}"
            )
    repeated = {column for column in header if column and header.count(column) > 1}
    if repeated:
        raise InvalidInput(f"{name} has the column {', '.join(sorted(repeated))} twice")
    for number, cells in enumerate(table[1:], start=2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) > len(header):
            raise InvalidInput(f"{name}, row {number} has {len(cells)} cells under {len(header)} columns; quote commas")
        padded = [cell.strip() for cell in cells] + [""] * (len(header) - len(cells))
        yield number, dict(zip(header, padded, strict=True))


def _inside(path: str, where: str) -> str:
    """A relative path that stays in its folder, '/'-separated."""
    pure = PurePosixPath(path.replace("\\", "/"))
    if not path or pure.is_absolute() or ".." in pure.parts or ":" in (pure.parts or ("",))[0] or "\0" in path:
        raise InvalidInput(f"{where}: {path!r} is not a path inside the folder; use one relative to it")
    return str(pure)


def _is_image_table(path: Path) -> bool:
    """Whether a CSV file has the columns image and label."""
    with path.open("rb") as file:
        header = file.readline(65536).decode("utf-8-sig", errors="replace")
    columns = {cell.strip().strip('"').lower() for cell in header.split(",")}
    return {"image", "label"} <= columns


def _table_source(root: Path, table: Path) -> Source:
    files = read_table(read_csv_text(table), table.name)
    return Source(root, "csv", tuple(sorted(files, key=lambda file: file.path)), _good_among(files))


def _folder_source(root: Path) -> Source:
    files = [
        SourceFile(path, path.split("/", 1)[0]) for path in _files_under(root, root) if "/" in path
    ]  # files beside the class folders belong to no class
    return Source(root, "folders", tuple(files), _good_among(files))


def _mvtec_source(root: Path) -> Source:
    masks = _masks(root)
    files = []
    for part in ("train", "test"):
        for path in _files_under(root / part, root):
            pieces = path.split("/")
            if len(pieces) >= 3:
                kind = pieces[1]
                files.append(SourceFile(path, kind, mask_path=masks.get((kind, PurePosixPath(path).stem), "")))
    return Source(root, "mvtec", tuple(sorted(files, key=lambda file: file.path)), "good")


def _masks(root: Path) -> dict[tuple[str, str], str]:
    """(kind, image's name without extension) -> mask's path."""
    found = {}
    for path in _files_under(root / "ground_truth", root):
        pieces = path.split("/")
        if len(pieces) == 3:
            found[(pieces[1], PurePosixPath(path).stem.removesuffix("_mask"))] = path
    return found


def _files_under(folder: Path, root: Path) -> list[str]:
    """Every file that is not hidden, below a folder, relative to the root; links that lead outside are left out."""
    if not folder.is_dir():
        return []
    inside = root.resolve()
    paths = (p for p in folder.rglob("*") if p.is_file() and p.resolve().is_relative_to(inside))
    relative = (p.relative_to(root) for p in paths)
    return sorted(p.as_posix() for p in relative if not any(piece.startswith(".") for piece in p.parts))


def _good_among(files: Sequence[SourceFile]) -> str:
    """The label that means "no defect", as it is spelled here."""
    spelled = {file.label.lower(): file.label for file in files}
    return next((spelled[word] for word in ("good", "ok", "normal") if word in spelled), "")


def _checked(source: Source) -> Source:
    if not source.files:
        raise InvalidInput(
            f"{source.root} holds no images: use an MVTec AD category (train/good, test/<kind>), one folder a class, or"
            " a CSV file with the columns image and label"
        )
    return source
