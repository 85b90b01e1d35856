"""Drawn categories: the layout of MVTec AD, kinds in turn, and the same again when asked again."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from defectory.errors import AlreadyExists, InvalidInput
from orchestrator.cables import KINDS, write_cables


def test_layout_is_that_of_mvtec(tmp_path: Path) -> None:
    write_cables(tmp_path, good=3, defect=10, seed=1, size_px=32)
    assert len(list((tmp_path / "train" / "good").glob("*.png"))) == 3
    kinds = {path.name: len(list(path.glob("*.png"))) for path in (tmp_path / "test").iterdir()}
    assert set(kinds) == set(KINDS) - {"good"}
    assert sum(kinds.values()) == 10
    assert set(kinds.values()) <= {1, 2}
    for image in (tmp_path / "test").glob("*/*.png"):
        mask = tmp_path / "ground_truth" / image.parent.name / f"{image.stem}_mask.png"
        pixels = np.asarray(Image.open(mask))
        assert pixels.shape == (32, 32)
        assert pixels.max() == 255
        with Image.open(image) as opened:
            assert opened.mode == "RGB"


def test_no_two_images_are_the_same(tmp_path: Path) -> None:
    write_cables(tmp_path, good=6, defect=16, seed=1, size_px=32)
    images = [path.read_bytes() for path in tmp_path.glob("t*/*/*.png")]
    assert len(set(images)) == 22


def test_a_second_call_draws_only_what_is_missing(tmp_path: Path) -> None:
    write_cables(tmp_path, good=2, defect=2, seed=1, size_px=32)
    paths = sorted(tmp_path.glob("t*/*/*.png"))
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in paths}
    paths[0].unlink()
    write_cables(tmp_path, good=2, defect=2, seed=1, size_px=32)
    assert paths[0].read_bytes() == before[paths[0]][0]
    assert all(path.stat().st_mtime_ns == before[path][1] for path in paths[1:])


def test_more_images_do_not_change_the_first(tmp_path: Path) -> None:
    write_cables(tmp_path / "few", good=1, defect=1, seed=1, size_px=32)
    write_cables(tmp_path / "many", good=3, defect=9, seed=1, size_px=32)
    for path in (tmp_path / "few").glob("t*/*/*.png"):
        assert path.read_bytes() == (tmp_path / "many" / path.relative_to(tmp_path / "few")).read_bytes()


def test_progress_reaches_the_end(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    write_cables(tmp_path, good=1, defect=2, seed=0, size_px=16, report=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_a_folder_of_other_cables_is_left_alone(tmp_path: Path) -> None:
    write_cables(tmp_path, good=1, defect=0, seed=0, size_px=16)
    with pytest.raises(AlreadyExists):
        write_cables(tmp_path, good=1, defect=0, seed=1, size_px=16)


def test_nothing_to_draw_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput):
        write_cables(tmp_path, good=0, defect=0, seed=0)


def test_only_the_kinds_that_are_asked_for_are_drawn_in_turn(tmp_path: Path) -> None:
    chosen = ("missing_wire", "bent_wire")
    write_cables(tmp_path, good=1, defect=5, seed=1, size_px=32, kinds=chosen)
    assert {p.name: len(list(p.iterdir())) for p in (tmp_path / "test").iterdir()} == {
        "bent_wire": 3,
        "missing_wire": 2,
    }
    with pytest.raises(AlreadyExists):
        write_cables(tmp_path, good=1, defect=5, seed=1, size_px=32)
    with pytest.raises(InvalidInput, match=r"torn.*bent_wire"):
        write_cables(tmp_path, good=1, defect=5, seed=1, size_px=32, kinds=("torn",))
