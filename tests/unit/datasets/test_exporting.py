"""A dataset leaves for other tools and comes back: the same images, labels, splits, masks; no name twice."""

import csv
import hashlib
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from defectory.datasets.exporting import FORMATS, LINEAGE, export
from defectory.datasets.exporting.outlines import polygons
from defectory.datasets.ingest import ingest
from defectory.datasets.layouts import read_source
from defectory.datasets.layouts.source import Choices
from defectory.datasets.listing import compare, list_datasets
from defectory.datasets.manifest import image_key, read_manifest, write_dataset
from defectory.datasets.manifest_line import Judgement, ManifestLine, Origin, PictureFile, Synthesis
from defectory.errors import AlreadyExists, Corrupted, FailedPrecondition, InvalidInput
from defectory.imaging import decode, encode_png
from defectory.storage.memory import MemoryStore
from defectory.storage.store import ObjectStore

SIDE = 24


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ObjectStore:
    """The dataset `parts`: names start anew in each folder, holes have masks; and a rejected and a synthetic image."""
    root = tmp_path_factory.mktemp("photos")
    for number, (folder, count) in enumerate({"train/good": 8, "test/good": 4, "test/hole": 8, "test/dent": 4}.items()):
        for i in range(count):
            pixels = np.random.default_rng(100 * number + i).integers(0, 256, (SIDE, SIDE)).astype(np.uint8)
            (root / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(root / folder / f"{i:03}.png")
            if folder == "test/hole":
                (root / "ground_truth/hole").mkdir(parents=True, exist_ok=True)
                mask = np.zeros((SIDE, SIDE), np.uint8)
                mask[3 : 6 + i, 4:9], mask[4, 5] = 255, 0  # with a hole in it
                Image.fromarray(mask).save(root / f"ground_truth/hole/{i:03}_mask.png")
    store = MemoryStore()
    result = ingest(root, store, "parts")
    lines = read_manifest(store, result.manifest_uri)
    synthetic = []
    for seed, verdict in ((7, "accepted"), (8, "rejected")):
        png = encode_png(np.full((SIDE, SIDE), seed, np.uint8))
        sha256 = hashlib.sha256(png).hexdigest()
        store.put(image_key("parts", sha256), png)
        synthetic.append(
            ManifestLine(
                file=PictureFile(uri=store.uri(image_key("parts", sha256)), sha256=sha256, width=SIDE, height=SIDE),
                origin=Origin(kind="synthetic"),
                synthesis=Synthesis(seed=seed, generator="parts-dent/1"),
                judgement=Judgement(verdict=verdict),
                label="defect",
                kind="dent",
                split="train",
            )
        )
    write_dataset(store, "expanded", [*lines, *synthetic], {"purpose": "expanded"})
    return store


def lines_of(store: ObjectStore, name: str = "expanded") -> list[ManifestLine]:
    return read_manifest(store, store.uri(f"datasets/{name}/manifest.jsonl"))


@pytest.mark.parametrize("form", FORMATS)
def test_every_image_that_was_not_rejected_leaves_under_a_name_of_its_own(
    tmp_path: Path, store: ObjectStore, form: str
) -> None:
    result = export(store, lines_of(store), form, tmp_path / "out")
    rows = [json.loads(line) for line in (tmp_path / "out" / LINEAGE).read_text().splitlines()]
    names = Counter(Path(row["file"]["path"]).name for row in rows)
    assert max(names.values()) == 1
    expected = {line.file.sha256 for line in lines_of(store) if line.judgement.verdict != "rejected"}
    if form == "yolo":  # an outline is all that it knows of a defect
        expected = {line.file.sha256 for line in lines_of(store) if line.label == "good" or line.mask}
    assert {row["file"]["sha256"] for row in rows} == expected
    by_hash = {line.file.sha256: line for line in lines_of(store)}
    for row in rows:
        written = (tmp_path / "out" / row["file"]["path"]).read_bytes()
        assert written == store.get(store.key(by_hash[row["file"]["sha256"]].file.uri))
    assert (result.images, result.rejected) == (len(expected), 1)


@pytest.mark.parametrize("form", ["csv", "folders", "coco", "datumaro"])
def test_what_was_exported_is_read_back_with_labels_splits_and_masks(
    tmp_path: Path, store: ObjectStore, form: str
) -> None:
    export(store, lines_of(store, "parts"), form, tmp_path / "out")
    source = read_source(tmp_path / "out", Choices(keep_splits=True))
    by_kind = form in ("coco", "datumaro")
    expected = {
        (line.file.sha256[:12], (line.kind or line.label) if by_kind else line.label, line.split)
        for line in lines_of(store, "parts")
    }
    read = {(Path(file.path).stem.rsplit("-", 1)[1], file.label, file.split) for file in source.files}
    assert read == expected
    if form == "csv":  # whose masks have no column that ingest reads
        return
    masks = {line.file.sha256[:12]: line for line in lines_of(store, "parts") if line.mask}
    masked = {Path(file.path).stem.rsplit("-", 1)[1]: file for file in source.files if file.masks}
    assert masked.keys() == masks.keys()
    for name, file in masked.items():
        stored = np.asarray(decode(store.get(store.key(masks[name].mask.uri))))
        assert (np.asarray(file.masks[0].draw(source.root, SIDE, SIDE)) == stored).all()


def test_an_mvtec_category_is_read_back_and_says_what_it_has_no_place_for(tmp_path: Path, store: ObjectStore) -> None:
    result = export(store, lines_of(store, "parts"), "mvtec", tmp_path / "out")
    source = read_source(tmp_path / "out")
    assert source.layout == "mvtec"
    kinds = Counter(line.kind or line.label for line in lines_of(store, "parts"))
    assert Counter(file.label for file in source.files) == kinds
    assert sum(bool(file.masks) for file in source.files) == kinds["hole"]
    assert any("lie in test" in note for note in result.notes)
    assert any(f"{kinds['dent']} of {kinds['dent'] + kinds['hole']} defects have no mask" in n for n in result.notes)


def test_coco_is_read_by_pycocotools_with_every_mask_to_the_pixel(tmp_path: Path, store: ObjectStore) -> None:
    export(store, lines_of(store, "parts"), "coco", tmp_path / "out")
    seen: set[int] = set()
    for split in ("train", "val", "test"):
        labels = COCO(tmp_path / f"out/annotations/labels_{split}.json")
        outlines = COCO(tmp_path / f"out/annotations/instances_{split}.json")
        assert not seen & set(labels.getImgIds())  # numbers do not start anew
        seen |= set(labels.getImgIds())
        for annotation in outlines.loadAnns(outlines.getAnnIds()):
            name = outlines.loadImgs(annotation["image_id"])[0]["file_name"].removesuffix(".png").rsplit("-", 1)[1]
            line = next(line for line in lines_of(store, "parts") if line.file.sha256.startswith(name))
            stored = np.asarray(decode(store.get(store.key(line.mask.uri)))) > 127
            assert (coco_mask.decode(annotation["segmentation"]) == stored).all()
            assert annotation["area"] == stored.sum()
            assert annotation["bbox"] == list(coco_mask.toBbox(annotation["segmentation"]))
    assert len(seen) == len(lines_of(store, "parts"))


def test_class_folders_are_read_by_keras(tmp_path: Path, store: ObjectStore) -> None:
    keras = pytest.importorskip("keras")
    export(store, lines_of(store), "folders", tmp_path / "out")
    dataset = keras.utils.image_dataset_from_directory(
        tmp_path / "out/images/train", image_size=(SIDE, SIDE), verbose=False
    )
    assert dataset.class_names == ["defect", "good"]
    trained = [line for line in lines_of(store) if line.split == "train" and line.judgement.verdict != "rejected"]
    assert len(dataset.file_paths) == len(trained)


def test_yolo_outlines_cover_the_masks_and_defects_without_mask_are_left_out(
    tmp_path: Path, store: ObjectStore
) -> None:
    result = export(store, lines_of(store, "parts"), "yolo", tmp_path / "out")
    lines = lines_of(store, "parts")
    dents = sum(line.kind == "dent" for line in lines)
    assert result.images == len(lines) - dents
    assert any(note.startswith(f"{dents} defects without a mask are left out") for note in result.notes)
    texts = [path.read_text() for path in (tmp_path / "out/labels").rglob("*.txt")]
    assert sum(text == "" for text in texts) == sum(line.label == "good" for line in lines)
    assert '0: "hole"' in (tmp_path / "out/data.yaml").read_text()


def test_an_outline_runs_around_the_pixels() -> None:
    import cv2

    mask = np.zeros((20, 30), bool)
    mask[3, 4] = True  # one pixel
    mask[8:12, 10:17] = True
    drawn = np.zeros((200, 300), np.uint8)  # ten times as fine
    for outline in polygons(mask):
        cv2.fillPoly(drawn, [np.round(outline * (300, 200)).astype(np.int32)], 1)
    cells = drawn.reshape(20, 10, 30, 10).mean((1, 3))
    assert (cells[mask] == 1).all()
    assert (cells[~mask] < 0.3).all()  # fillPoly colours the line itself, a tenth of a pixel on either side


def test_real_and_synthetic_images_can_be_had_apart(tmp_path: Path, store: ObjectStore) -> None:
    export(store, lines_of(store), "csv", tmp_path / "made", origins="synthetic")
    with (tmp_path / "made/table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["origin"], row["generator"], row["seed"]) for row in rows] == [("synthetic", "parts-dent/1", "7")]
    assert export(store, lines_of(store), "csv", tmp_path / "real", origins="real").images == len(
        lines_of(store, "parts")
    )


def test_a_folder_with_something_in_it_a_format_that_is_none_and_an_empty_choice_are_refused(
    tmp_path: Path, store: ObjectStore
) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(AlreadyExists, match="not an empty folder"):
        export(store, lines_of(store), "csv", tmp_path)
    with pytest.raises(InvalidInput, match="use folders, mvtec, coco"):
        export(store, lines_of(store), "zip", tmp_path / "out")
    with pytest.raises(FailedPrecondition, match="no image is left"):
        export(store, lines_of(store, "parts"), "csv", tmp_path / "out", origins="synthetic")
    assert not (tmp_path / "out").exists()


def test_an_image_that_is_another_than_the_manifest_says_does_not_leave(tmp_path: Path, store: ObjectStore) -> None:
    first, *others = lines_of(store, "parts")
    lines = [replace(first, file=replace(first.file, sha256="0" * 64)), *others]
    with pytest.raises(Corrupted, match=first.file.uri):
        export(store, lines, "csv", tmp_path / "out")
    assert not (tmp_path / "out/table.csv").exists()


@pytest.mark.parametrize("label", ["../../escaped", "a/b", "..", "con:"])
def test_a_label_is_never_a_path(tmp_path: Path, store: ObjectStore, label: str) -> None:
    lines = [replace(line, label=label, kind="") for line in lines_of(store, "parts")[:2]]
    for form in ("folders", "mvtec"):
        export(store, lines, form, tmp_path / "in" / form)
    assert {path.name for path in tmp_path.iterdir()} == {"in"}
    assert {path.name for path in (tmp_path / "in").iterdir()} == {"folders", "mvtec"}
    assert len(list((tmp_path / "in").rglob("*.png"))) == 4


def test_labels_that_would_share_a_folder_are_refused(tmp_path: Path, store: ObjectStore) -> None:
    one, other = lines_of(store, "parts")[:2]
    lines = [replace(one, label="a/b", kind=""), replace(other, label="A:b", kind="")]
    with pytest.raises(InvalidInput, match="'A:b' and 'a/b' would lie in one folder"):
        export(store, lines, "folders", tmp_path / "out")


def test_datasets_are_listed_and_compared(store: ObjectStore) -> None:
    store.put("datasets/broken/dataset.json", b"{")
    cards, broken = list_datasets(store)
    assert [card["name"] for card in cards] == ["expanded", "parts"]
    assert any("the card of dataset 'broken' is not JSON" in reason for reason in broken)
    store.delete("datasets/broken/dataset.json")
    before, after = lines_of(store, "parts"), lines_of(store)
    assert compare(before, before).is_empty
    relabelled = [replace(before[0], split="none"), *after[1:]]
    difference = compare(before, relabelled)
    assert not difference.only_first
    assert {line.synthesis.seed for line in difference.only_second} == {7, 8}
    assert [(one.file.sha256, other.split) for one, other in difference.changed] == [(before[0].file.sha256, "none")]


def test_found_groups_that_are_only_numbered_otherwise_are_no_difference(store: ObjectStore) -> None:
    before = lines_of(store, "parts")
    groups = sorted({line.group for line in before})
    turned = dict(zip(groups, [*groups[1:], groups[0]], strict=True))
    after = [replace(line, group=turned[line.group]) for line in before]
    assert compare(before, after).is_empty
    joined = [replace(line, group=groups[0]) for line in before]
    assert len(compare(before, joined).changed) >= len(before) - 1


@pytest.mark.parametrize("form", ["mvtec", "yolo"])
def test_a_good_label_that_is_not_there_is_refused_or_said(tmp_path: Path, store: ObjectStore, form: str) -> None:
    lines = [replace(line, label="OK") for line in lines_of(store, "parts") if line.label == "good"]
    with pytest.raises(InvalidInput, match="no image is labelled 'fine': use one of OK"):
        export(store, lines, form, tmp_path / "fine", good="fine")
    assert not export(store, lines, form, tmp_path / "named", good="OK").notes
    masked = [replace(line, label="hole") for line in lines_of(store, "parts") if line.mask]
    assert any("--good LABEL" in note for note in export(store, masked, form, tmp_path / "all").notes)


def test_a_file_name_begins_with_a_letter_whatever_the_photograph_was_called(
    tmp_path: Path, store: ObjectStore
) -> None:
    lines = [
        replace(line, origin=replace(line.origin, source=source))
        for line, source in zip(lines_of(store)[:3], ("划痕/划.png", "-x.png", "._a.png"), strict=True)
    ]
    export(store, lines, "csv", tmp_path / "out")
    names = {path.name.rpartition("-")[0] for path in (tmp_path / "out/images").iterdir()}
    assert names == {"image", "x", "_a"}
