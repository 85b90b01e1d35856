"""The sheet of photographs that were taken for one part."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from defectory.datasets.manifest import write_dataset
from defectory.datasets.manifest_line import ManifestLine, Origin, PictureFile
from defectory.datasets.parts import mixed_in_words
from defectory.imaging import encode_png
from defectory.storage import ObjectStore, open_store
from orchestrator.cli.main import app
from orchestrator.pipeline.data_steps import ingest_folder_outputs
from orchestrator.pipeline.group_sheet import ACROSS, GAP_PX, LINE_PX, TILE_PX, group_sheet, groups_of
from orchestrator.pipeline.settings import DataSettings


def line(store: ObjectStore, source: str, group: str, level: int, label: str = "good", **more: Any) -> ManifestLine:
    """A square picture of one grey level."""
    from hashlib import sha256

    content = encode_png(np.full((40, 40), level, np.uint8))
    key = f"pictures/{source.replace('/', '-')}"
    store.put(key, content)
    file = PictureFile(uri=store.uri(key), sha256=sha256(content).hexdigest(), width=40, height=40)
    return ManifestLine(file=file, label=label, split="train", group=group, origin=Origin(source=source, **more))


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return open_store(f"file://{tmp_path}/store")


@pytest.fixture
def lines(store: ObjectStore) -> list[ManifestLine]:
    """A group of two, one of two labels, one of ten, and three that hold one photograph each."""
    return [
        line(store, "good/a.png", "found-1", 10), line(store, "good/b.png", "found-1", 20),
        line(store, "good/c.png", "part-7", 30), line(store, "bad/c.png", "part-7", 40, "defect"),
        *(line(store, f"good/many{n}.png", "found-2", 100 + n) for n in range(10)),
        line(store, "good/alone.png", "found-3", 5),
        *(line(store, "good/tiled.png", "found-4", 200 + n, tile=(n, 0, 40)) for n in range(3)),
        line(store, "good/copied.png", "found-5", 60), line(store, "x.png", "found-5", 61, augmentation="flip"),
    ]  # fmt: skip


def test_groups_of_several_labels_come_first_then_the_largest(lines: list[ManifestLine]) -> None:
    groups = groups_of(lines)
    assert [group.name for group in groups] == ["part-7", "found-2", "found-1"]
    assert [x.origin.source for x in groups[0].photographs] == ["bad/c.png", "good/c.png"]
    assert groups[0].title == "part-7 (given): 1 defect and 1 good photographs, in train"
    assert groups[1].title == "found-2 (they look alike): 10 good photographs, in train"


def test_a_row_is_a_group_and_holds_its_photographs(store: ObjectStore, lines: list[ManifestLine]) -> None:
    sheet = np.asarray(Image.open(io.BytesIO(group_sheet(store, groups_of(lines)))))
    step = TILE_PX + GAP_PX
    row = 2 * LINE_PX + step
    assert sheet.shape == (3 * row + GAP_PX, ACROSS * step + GAP_PX, 3)
    middles = [
        [
            int(sheet[GAP_PX + r * row + 2 * LINE_PX + TILE_PX // 2, GAP_PX + c * step + TILE_PX // 2, 0])
            for c in range(8)
        ]
        for r in range(3)
    ]
    assert middles[0] == [40, 30, *[255] * 6]
    assert middles[1] == list(range(100, 108))  # two more are not shown
    assert middles[2] == [10, 20, *[255] * 6]
    assert (sheet[GAP_PX : GAP_PX + 2 * LINE_PX] < 100).any()  # names


def test_what_is_said_stands_above_the_rows(store: ObjectStore, lines: list[ManifestLine]) -> None:
    groups = groups_of(lines)[1:]
    plain, said = (
        np.asarray(Image.open(io.BytesIO(group_sheet(store, groups, said=text)))) for text in ("", "one part " * 40)
    )
    more = len(said) - len(plain)
    assert more > 2 * LINE_PX  # it is too long for a line or two
    assert np.array_equal(said[more + GAP_PX :], plain[GAP_PX:])
    assert (said[GAP_PX:more] < 100).any()


def test_a_sheet_is_bounded_and_a_broken_photograph_stops_nothing(
    store: ObjectStore, lines: list[ManifestLine]
) -> None:
    store.delete("pictures/bad-c.png")
    sheet = np.asarray(Image.open(io.BytesIO(group_sheet(store, groups_of(lines), 1))))
    assert sheet.shape == (2 * LINE_PX + TILE_PX + 2 * GAP_PX, 2 * (TILE_PX + GAP_PX) + GAP_PX, 3)
    centre = GAP_PX + 2 * LINE_PX + TILE_PX // 2
    assert [sheet[centre, GAP_PX + TILE_PX // 2 + c * (TILE_PX + GAP_PX), 0] for c in (0, 1)] == [128, 30]


def test_the_command_lists_and_draws_them(store: ObjectStore, lines: list[ManifestLine], tmp_path: Path) -> None:
    write_dataset(store, "parts", lines, {})
    out = tmp_path / "groups.png"

    def groups(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["dataset", "groups", *arguments, "--store", store.url])
        assert done.exit_code == 0, done.exception
        return done.stdout

    said = groups("parts", "--out", str(out), "--most", "2")
    assert said.startswith("3 of 6 parts have several photographs:\n")
    assert "part-7 (given): 1 defect and 1 good photographs, in train\n  bad/c.png, good/c.png\n" in said
    assert "… and 1 more" in said
    assert said.count("1 part has good and defective photographs (part-7): that is right where ") == 1
    assert out.read_bytes() == group_sheet(store, groups_of(lines), 2, mixed_in_words(["part-7"]))
    shown = json.loads(groups("parts", "--json"))
    assert shown["mixed_parts"] == ["part-7"]
    assert [len(group["photographs"]) for group in shown["groups"]] == [2, 10, 2]
    write_dataset(store, "single", lines[-6:-5], {})
    assert "nothing to draw" in groups("single", "--out", str(tmp_path / "none.png"))
    assert not (tmp_path / "none.png").exists()


def test_ingest_writes_the_sheet_beside_the_dataset(store: ObjectStore, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    table = ["image,group"]
    for label in ("good", "defect"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for number in range(8):
            Image.fromarray(random.integers(0, 256, (16, 16), dtype=np.uint8)).save(
                tmp_path / f"photos/{label}/{number}.png"
            )
            table.append(f"{label}/{number}.png,{label}-{number // 2}")
    (tmp_path / "parts.csv").write_text("\n".join(table))
    data = DataSettings(directory=str(tmp_path / "photos"), groups=str(tmp_path / "parts.csv"))
    ingested = ingest_folder_outputs(data, store, "screws", lambda _: None, lambda _: None)
    assert (ingested.images, ingested.photographs, ingested.parts) == (16, 16, 8)
    assert ingested.groups_uri == store.uri("datasets/screws/groups.png")
    assert Image.open(io.BytesIO(store.get("datasets/screws/groups.png"))).height > 8 * TILE_PX
    alone = ingest_folder_outputs(
        data.model_copy(update={"groups": ""}), store, "noise", lambda _: None, lambda _: None
    )
    assert alone.groups_uri == ""
