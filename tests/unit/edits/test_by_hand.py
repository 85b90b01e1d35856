"""Out to a person and back: own size and depth, masks of what was changed, lineage, and labels that were asked for."""

import hashlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest

from defectory.datasets.manifest import original_key, read_card, read_manifest, write_dataset
from defectory.datasets.manifest_line import Edit, ManifestLine, PictureFile
from defectory.datasets.masks import read_mask
from defectory.errors import AlreadyExists, FailedPrecondition, InvalidInput, NotFound
from defectory.storage.memory import MemoryStore
from orchestrator.edits.hand_export import INDEX, HandedOut, export_for_hand
from orchestrator.edits.hand_import import Question, Taken, import_from_hand, read_index
from tests.unit.edits.tiles import HEIGHT, WIDTH, make_tiles, spot, tile


class Desk:
    """A dataset, and a folder where somebody edits its pictures."""

    def __init__(self, folder: Path, lines: list[ManifestLine] | None = None, store: MemoryStore | None = None) -> None:
        self.store = store or MemoryStore()
        self.lines = lines or make_tiles(self.store)
        self.folder = folder / "out"
        self.asked: list[Question] = []

    def export(self, *choose: str, count: int = 0, seed: int = 0) -> HandedOut:
        uri = write_dataset(self.store, "tiles", self.lines, {})
        return export_for_hand(self.store, self.lines, self.folder, source=uri, choose=choose, count=count, seed=seed)

    def files(self, start: str) -> list[Path]:
        return sorted(self.folder.glob(f"{start}-*.png"))

    def take(self, answer: str = "hole", name: str = "by-hand") -> Taken:
        def ask(question: Question) -> str:
            self.asked.append(question)
            return answer

        return import_from_hand(
            self.store, self.folder, read_index(self.store, self.folder), self.lines, name, person="R. Hooke", ask=ask
        )

    def edited(self, name: str = "by-hand") -> dict[str, ManifestLine]:
        """parent's sha256 -> line."""
        lines = read_manifest(self.store, self.store.uri(f"datasets/{name}/manifest.jsonl"))
        return {line.origin.parents[0]: line for line in lines}


def paint(path: Path, rows: slice, columns: slice, level: int = 10) -> None:
    pixels = imagecodecs.png_decode(path.read_bytes()).copy()
    pixels[rows, columns] = level
    path.write_bytes(imagecodecs.png_encode(pixels))


def test_a_painted_defect_becomes_a_line_with_mask_and_lineage(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    assert desk.export("good") == HandedOut(8, 0)
    paint(desk.files("good")[0], slice(20, 30), slice(50, 70))
    taken = desk.take()
    assert taken.images == 1
    assert {why for _, why in taken.left_out} == {
        "it changes nothing: it is its original, but for what an editor rounds"
    }
    assert len(taken.left_out) == 7
    (question,) = desk.asked
    assert (question.label, question.why, round(question.share * WIDTH * HEIGHT)) == (
        "good",
        "a good part was changed",
        200,
    )
    ((parent, line),) = desk.edited().items()
    real = next(x for x in desk.lines if x.file.sha256 == parent)
    assert (line.origin.kind, line.split, line.group) == ("edited", "train", real.group)
    assert (line.label, line.kind, line.origin.edit) == ("defect", "hole", Edit(editor="unknown", person="R. Hooke"))
    mask = np.asarray(read_mask(desk.store.get(desk.store.key(line.mask.uri)), WIDTH, HEIGHT)) > 0
    assert mask.sum() == 200
    assert mask[20:30, 50:70].all()
    assert hashlib.sha256(desk.store.get(desk.store.key(line.file.uri))).hexdigest() == line.file.sha256
    assert read_card(desk.store, "by-hand")["person"] == "R. Hooke"


def test_a_label_is_asked_for_only_where_it_may_have_changed(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.export("hole")
    beside, over = desk.files("hole")[:2]
    paint(beside, slice(2, 6), slice(2, 20))
    own = next(x for x in desk.lines if x.file.sha256.startswith(over.stem.rpartition("-")[2]))
    own_mask = np.asarray(read_mask(desk.store.get(desk.store.key(own.mask.uri)), WIDTH, HEIGHT)) > 0
    rows, columns = np.nonzero(own_mask)
    paint(over, slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1), level=120)
    desk.take(answer="good")
    assert [(x.file, x.why) for x in desk.asked] == [(over.name, "its defect was painted over")]
    lines = desk.edited()
    assert (lines[own.file.sha256].label, lines[own.file.sha256].kind, lines[own.file.sha256].mask) == (
        "good",
        "",
        None,
    )
    (other,) = [line for parent, line in lines.items() if parent != own.file.sha256]
    assert (other.label, other.kind) == ("defect", "hole")
    mask = np.asarray(read_mask(desk.store.get(desk.store.key(other.mask.uri)), WIDTH, HEIGHT)) > 0
    assert mask[2:6, 2:20].all()
    assert mask.sum() > 4 * 18, "the defect that was there is still marked"


def deep(store: MemoryStore, bits: int) -> ManifestLine:
    """A good part of a camera whose values use so many of 16 bits."""
    random = np.random.default_rng(5)
    pixels = (tile(random)[..., 0].astype(np.uint16) << (bits - 8)) | random.integers(
        0, 1 << (bits - 8), (HEIGHT, WIDTH)
    )
    content = bytes(imagecodecs.png_encode(pixels.astype(np.uint16)))
    sha256 = hashlib.sha256(content).hexdigest()
    store.put(original_key("tiles", sha256, "png"), content)
    file = PictureFile(
        uri=store.uri(original_key("tiles", sha256, "png")), sha256=sha256, width=WIDTH, height=HEIGHT, colour="L",
        fit="stretch", bits=bits,
    )  # fmt: skip
    return ManifestLine(file=file, label="good", split="train", group="deep")


@pytest.mark.parametrize("bits", [12, 16])
def test_a_camera_of_more_bits_keeps_them_beside_the_edit(tmp_path: Path, bits: int) -> None:
    store = MemoryStore()
    desk = Desk(tmp_path, [deep(store, bits), *make_tiles(store)], store)
    assert desk.export(desk.lines[0].file.sha256[:12]) == HandedOut(1, 1)
    (path,) = desk.files("good")
    shown = imagecodecs.png_decode(path.read_bytes())
    assert shown.dtype == np.uint16
    assert shown.max() > 30_000, "a person sees it as bright as it is"
    before = imagecodecs.png_decode(store.get(store.key(desk.lines[0].file.uri)))
    shown = shown.copy()
    shown[10:20, 10:30] = 1000
    noise = np.random.default_rng(0).integers(-6, 7, shown.shape)  # as Krita rounds
    path.write_bytes(imagecodecs.png_encode((shown + noise).clip(0, 65535).astype(np.uint16)))
    desk.take()
    (line,) = desk.edited().values()
    now = imagecodecs.png_decode(store.get(store.key(line.file.uri)))
    outside = np.ones(now.shape, bool)
    outside[10:20, 10:30] = False
    assert (now[outside] == before[outside]).all()
    assert int(now[12, 12]) == pytest.approx(1000 >> (16 - bits), abs=7)
    assert line.file.bits == bits


def test_what_cannot_be_taken_is_listed_and_stops_nothing(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.export("good", count=4, seed=1)
    paint(desk.files("good")[0], slice(20, 30), slice(50, 70))
    paint(desk.files("good")[1], slice(0, HEIGHT), slice(0, WIDTH))
    desk.files("good")[2].write_bytes(b"no picture")
    (desk.folder / "my-own.png").write_bytes(desk.files("good")[0].read_bytes())
    taken = desk.take()
    assert taken.images == 1
    reasons = dict(taken.left_out)
    assert len(reasons) == 4
    assert "none of the exported" in reasons["my-own.png"]
    assert "100% of all pixels" in reasons[desk.files("good")[1].name]


def test_only_training_pictures_are_handed_out(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    tested = next(line for line in desk.lines if line.split == "test")
    with pytest.raises(InvalidInput, match="tested is not edited"):
        desk.export(tested.file.sha256[:10])
    with pytest.raises(InvalidInput, match="scratch: use a label or kind"):
        desk.export("scratch")
    assert desk.export().files == 20
    with pytest.raises(AlreadyExists, match="not an empty folder"):
        desk.export()


def test_a_folder_says_of_which_dataset_it_is_wherever_the_store_lies_meanwhile(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.export("good", count=1)
    assert read_index(desk.store, desk.folder).manifest_uri == desk.store.uri("datasets/tiles/manifest.jsonl")
    moved = MemoryStore("s3://elsewhere")
    assert read_index(moved, desk.folder).manifest_uri == "s3://elsewhere/datasets/tiles/manifest.jsonl"


def test_a_folder_from_elsewhere_and_an_unknown_answer_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="edit export"):
        read_index(MemoryStore(), tmp_path)
    (tmp_path / INDEX).write_text("{}")
    with pytest.raises(InvalidInput, match="is not what"):
        read_index(MemoryStore(), tmp_path)
    desk = Desk(tmp_path)
    desk.export("good", count=1)
    with pytest.raises(FailedPrecondition, match="no edited picture"):
        desk.take()
    paint(desk.files("good")[0], slice(20, 30), slice(50, 70))
    with pytest.raises(InvalidInput, match="no label or kind 'scratch'; use one of defect, good, hole"):
        desk.take("scratch")


def test_a_mask_that_a_person_made_is_of_what_he_drew(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.export("good", count=1)
    (path,) = desk.files("good")
    pixels = imagecodecs.png_decode(path.read_bytes())[..., None].copy()
    drawn = spot(pixels, 60, 48, 9)
    path.write_bytes(imagecodecs.png_encode(pixels[..., 0]))
    desk.take()
    (line,) = desk.edited().values()
    mask = np.asarray(read_mask(desk.store.get(desk.store.key(line.mask.uri)), WIDTH, HEIGHT)) > 0
    assert (mask & drawn).sum() / (mask | drawn).sum() > 0.97
