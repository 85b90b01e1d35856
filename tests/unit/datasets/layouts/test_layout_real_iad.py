"""Real-IAD: a JSON file labels the views; a sample's views are one group."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from defectory.datasets.layouts import read_source
from defectory.datasets.layouts.realiad import NOT_THERE, REALIAD
from defectory.datasets.layouts.source import Choices
from defectory.errors import InvalidInput
from tests.unit.datasets.layouts.drawing import left_out, masks, photographs, rows
from tests.unit.datasets.layouts.ingested import ingested

VIEWS = range(1, 6)
SAMPLES = range(1, 5)


def ok(sample: int, view: int) -> str:
    return f"OK/S{sample:04}/audiojack_{sample:04}_OK_C{view}_2023102113023{sample}.jpg"


def faulty(sample: int, view: int) -> str:
    return f"NG/BX/S{sample:04}/audiojack__{sample:04}_NG_BX_C{view}_2023102311153{sample}.jpg"


def mask_of(path: str) -> str:
    return path.replace(".jpg", ".png")


def audiojack(root: Path) -> Path:
    """Of the faulty samples, views 1 and 2 show the fault."""
    photographs(root, *(name(sample, view) for name in (ok, faulty) for sample in SAMPLES for view in VIEWS))
    masks(root, *(mask_of(faulty(sample, view)) for sample in SAMPLES for view in (1, 2)))
    return root


def labels() -> dict[str, object]:
    def entry(path: str, kind: str, mask: str | None = None) -> dict[str, str | None]:
        return {"category": "audiojack", "anomaly_class": kind, "image_path": path, "mask_path": mask}

    return {
        "meta": {"normal_class": "OK", "prefix": "audiojack/"},
        "train": [entry(ok(sample, view), "OK") for sample in SAMPLES for view in VIEWS],
        "test": [
            entry(path := faulty(sample, view), "BX", mask_of(path) if view < 3 else None)
            for sample in SAMPLES
            for view in VIEWS
        ],
    }


def write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize("where", ["audiojack/audiojack.json", "audiojack.json", "../realiad_jsons/audiojack.json"])
def test_the_json_file_labels_the_views(tmp_path: Path, where: str) -> None:
    root = audiojack(tmp_path / "realiad_1024/audiojack")
    write(tmp_path / "realiad_1024" / where, labels())
    source = read_source(root, Choices(keep_splits=True))
    assert (source.layout, source.good, source.left_out) == (REALIAD.name, "OK", ())
    expected = {}
    for sample in SAMPLES:
        for view in VIEWS:
            expected[ok(sample, view)] = ("OK", "train", f"OK/S{sample:04}/audiojack_{sample:04}_OK", ())
            path, shows = faulty(sample, view), view < 3
            group = f"NG/BX/S{sample:04}/audiojack__{sample:04}_NG_BX"
            expected[path] = ("BX" if shows else "OK", "test", group, (mask_of(path),) if shows else ())
    assert rows(source) == expected
    assert any("12 views of faulty samples have no mask there" in note for note in source.notes)
    json_file = Path(where).name if where.startswith("audiojack/") else (tmp_path / "realiad_1024" / where).resolve()
    assert f"labels are those of {json_file}" in source.notes


def test_json_and_folder_of_views_side_by_side(tmp_path: Path) -> None:
    audiojack(tmp_path / "audiojack")
    write(tmp_path / "audiojack.json", labels())
    assert rows(read_source(tmp_path))[f"audiojack/{faulty(1, 1)}"][0] == "BX"


def test_what_is_ingested(tmp_path: Path) -> None:
    root = audiojack(tmp_path / "audiojack")
    write(root / "audiojack.json", labels())
    dataset = ingested(root)
    assert dataset.kinds()[faulty(2, 1)] == "BX"
    assert dataset.lines[faulty(2, 3)].label == "good"
    for name in (ok, faulty):
        for sample in SAMPLES:
            assert len({dataset.lines[name(sample, view)].split for view in VIEWS}) == 1
    drawn = np.asarray(Image.open(root / mask_of(faulty(2, 1))))
    assert (dataset.mask(faulty(2, 1)) == drawn).all()


def test_views_that_the_file_names_and_that_are_not_there(tmp_path: Path) -> None:
    root = audiojack(tmp_path / "audiojack")
    write(root / "audiojack.json", labels())
    (root / ok(1, 1)).unlink()
    (root / mask_of(faulty(1, 1))).unlink()
    source = read_source(root)
    assert left_out(source)[NOT_THERE] == {ok(1, 1)}
    assert any("1 masks that" in note for note in source.notes)


def test_without_masks_the_class_alone_says_it(tmp_path: Path) -> None:
    content = labels()
    for entry in content["test"]:  # type: ignore[attr-defined]
        entry["mask_path"] = None
    root = audiojack(tmp_path / "audiojack")
    write(root / "audiojack.json", content)
    assert rows(read_source(root))[faulty(1, 5)][0] == "BX"


def test_views_without_a_json_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"put audiojack\.json of realiad_jsons beside the pictures"):
        read_source(audiojack(tmp_path / "audiojack"))


def test_other_levels_say_what_to_give(tmp_path: Path) -> None:
    audiojack(tmp_path / "realiad_1024/audiojack")
    audiojack(tmp_path / "realiad_1024/bottle_cap")
    for name in ("audiojack", "bottle_cap"):
        write(tmp_path / f"realiad_jsons/{name}.json", labels())
    right = f"give .*{tmp_path}/realiad_1024/audiojack$"
    for below in ("OK", "NG", "NG/BX"):
        with pytest.raises(InvalidInput, match=right):
            read_source(tmp_path / "realiad_1024/audiojack" / below)
    with pytest.raises(InvalidInput, match=right):
        read_source(tmp_path)
    with pytest.raises(InvalidInput, match=right):
        read_source(tmp_path / "realiad_1024")
    with pytest.raises(InvalidInput, match=r"give the folder of its pictures, e\.g\. realiad_1024/audiojack"):
        read_source(tmp_path / "realiad_jsons/audiojack.json")
