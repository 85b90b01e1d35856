"""Whether images that a classifier is asked about are its own training's, by their content."""

import json
from hashlib import sha256
from pathlib import Path

import pytest

from defectory.datasets.folds import write_folds
from defectory.datasets.manifest import content_hash, write_dataset
from defectory.datasets.manifest_line import ManifestLine, Origin, PictureFile
from defectory.storage import ObjectStore, open_store
from orchestrator.cli.learned_from import QUICK_BYTES, LearnedFrom, learned_from

SPLITS = ("train", "train", "validation", "test")


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return open_store(f"file://{tmp_path}/store")


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Four photographs of the dataset, in SPLITS, and one that is new."""
    paths = [tmp_path / f"{number}.png" for number in range(5)]
    for path in paths:
        path.write_bytes(path.name.encode())
    return list(map(str, paths))


def line(store: ObjectStore, file: str, **parts: object) -> ManifestLine:
    digest = sha256(Path(file).read_bytes()).hexdigest()
    picture = PictureFile(uri=store.uri(f"datasets/parts/originals/{digest}.png"), sha256=digest, width=8, height=8)
    return ManifestLine(**{"file": picture, "label": "good", **parts})  # type: ignore[arg-type]


def card_of(store: ObjectStore, files: list[str], name: str = "parts") -> dict[str, object]:
    """The card of a classifier that was trained on the first four files."""
    lines = [line(store, file, split=split) for file, split in zip(files, SPLITS, strict=False)]
    child = line(store, files[4], split="train")  # made from the third, which is no reason to name that one
    synthetic = PictureFile(uri=store.uri("x"), sha256="f" * 64, width=8, height=8)
    lines.append(
        ManifestLine(
            file=synthetic, label="good", split="train", origin=Origin(kind="synthetic", parents=(child.file.sha256,))
        )
    )
    uri = write_dataset(store, name, lines, {})
    return {"lineage": {"manifest_uri": uri, "content_hash": content_hash(lines)}}


def test_photographs_are_known_by_their_content_wherever_they_lie(store: ObjectStore, files: list[str]) -> None:
    card = card_of(store, files)
    copied = Path(files[0]).with_name("renamed.dat")
    copied.write_bytes(Path(files[0]).read_bytes())
    in_store = line(store, files[1]).file.uri
    asked = [str(copied), in_store, *files[2:], "/nowhere.png", store.uri("datasets/parts/one.png")]
    own = learned_from(store, card, asked, QUICK_BYTES)
    assert own == LearnedFrom([str(copied), in_store], [files[2]])


def test_nothing_is_said_where_it_cannot_be_known(store: ObjectStore, files: list[str], tmp_path: Path) -> None:
    card = card_of(store, files)
    assert learned_from(store, card, files, most_bytes=100) == LearnedFrom()  # too long for an answer at once
    assert learned_from(store, {}, files, None) == LearnedFrom()
    assert learned_from(open_store(f"file://{tmp_path}/other"), card, files, None) == LearnedFrom()
    write_dataset(store, "parts", [line(store, file, split="train") for file in files], {})  # ingested again
    assert learned_from(store, card, files, None) == LearnedFrom()


def test_of_a_fold_its_own_splits_count(store: ObjectStore, tmp_path: Path) -> None:
    paths = [tmp_path / f"fold{number}.png" for number in range(9)]
    for path in paths:
        path.write_bytes(path.name.encode())
    lines = [line(store, str(path), split="train") for path in paths]
    write_dataset(store, "folded", lines, {})
    uri = write_folds(store, "folded", lines, 3, 0)[0]
    card = {"lineage": {"manifest_uri": uri, "content_hash": "of the fold's lines"}}
    decided = json.loads(store.get(store.key(uri)))["values"]
    own = learned_from(store, card, list(map(str, paths)), None)
    of = {split: [str(p) for p in paths if decided[line(store, str(p)).file.sha256] == split] for split in SPLITS}
    assert (own.train, own.validation) == (of["train"], of["validation"])
    assert min(map(len, of.values())) > 0


@pytest.mark.parametrize(
    ("train", "validation", "asked", "sentence"),
    [
        (0, 0, 3, ""),
        (
            2,
            0,
            5,
            "2 of these 5 images are photographs that the model was trained on: "
            "what it answers on them says nothing about new parts",
        ),
        (
            1,
            0,
            1,
            "this image is a photograph that the model was trained on: what it answers on it says nothing about new "
            "parts",
        ),
        (
            0,
            1,
            4,
            "1 of these 4 images is a photograph that the model was chosen and calibrated by (its validation split): "
            "what it answers on it says nothing about new parts",
        ),
        (
            2,
            1,
            4,
            "3 of these 4 images are photographs that the model was trained on (2) or was chosen and calibrated by "
            "(its validation split, 1): what it answers on them says nothing about new parts",
        ),
    ],
)
def test_it_is_said_in_a_sentence(train: int, validation: int, asked: int, sentence: str) -> None:
    assert LearnedFrom(["a"] * train, ["b"] * validation).in_words(asked) == sentence


def test_of_a_long_manifest_the_lines_asked_for_are_read(store: ObjectStore, files: list[str]) -> None:
    from defectory.datasets.manifest import lines_of_pictures

    lines = [
        ManifestLine(
            file=PictureFile(uri=store.uri(f"{n:064x}"), sha256=f"{n:064x}", width=8, height=8), label="good",
            split="train",
        )
        for n in range(5000)
    ]  # fmt: skip
    uri = write_dataset(store, "many", lines, {})
    assert list(lines_of_pictures(store, uri, {f"{4321:064x}"})) == [lines[4321]]
