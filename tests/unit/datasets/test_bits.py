"""Bits in use: found over the whole set, recorded, said; a set is read as the camera saw it."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from defectory.datasets.bits import find_bits
from defectory.datasets.ingest import IngestResult, ingest
from defectory.datasets.layouts.look import look_at
from defectory.datasets.manifest import bits_of, read_card, read_manifest
from defectory.errors import InvalidInput
from defectory.imaging import decode
from defectory.imaging.samples import DEPTHS, bits_used
from defectory.storage.memory import MemoryStore

SIDE = 32


def values(seed: int, bits: int, share: float = 1.0) -> np.ndarray:
    """What a camera of so many bits gives of a part, at a share of the full exposure."""
    full = (1 << bits) - 1
    seen = np.random.default_rng(seed).integers(0, full + 1, (SIDE, SIDE))
    seen[0, 0] = full
    return (seen * share).astype(np.uint16)


def camera_set(root: Path, bits: int = 12, ending: str = ".png") -> Path:
    for number, label in enumerate(("good", "scratch")):
        (root / label).mkdir(parents=True)
        for i in range(4):
            # Most are dark: none of them tells the bits by itself.
            store(root / label / f"{i}{ending}", values(10 * number + i, bits, share=1.0 if i == 3 else 0.1))
    return root


def store(path: Path, pixels: np.ndarray) -> None:
    if path.suffix == ".png":
        Image.fromarray(pixels).save(path)
    else:
        tifffile.imwrite(path, pixels)


def ingested(root: Path, **options: object) -> tuple[MemoryStore, IngestResult]:
    kept = MemoryStore()
    return kept, ingest(root, kept, "parts", **options)


@pytest.mark.parametrize("ending", [".png", ".tif"])
@pytest.mark.parametrize("bits", [10, 12, 14])
def test_a_camera_of_fewer_bits(tmp_path: Path, bits: int, ending: str) -> None:
    root = camera_set(tmp_path, bits, ending)
    kept, result = ingested(root)
    lines = read_manifest(kept, result.manifest_uri)
    assert {line.file.bits for line in lines} == {bits} == {bits_of(lines)}
    card = read_card(kept, "parts")
    assert (card["bits"], card["bits_from"], card["skipped"]) == (bits, "found", [])
    assert any(
        f"8 files of 16 bits use {bits} bits (the largest is {(1 << bits) - 1})" in note for note in card["notes"]
    )
    for line in lines:
        number = int(Path(line.origin.source).stem)
        pixels = values(10 * line.origin.source.startswith("scratch") + number, bits, 1.0 if number == 3 else 0.1)
        wanted = np.round(pixels / ((1 << bits) - 1) * 255)
        np.testing.assert_array_equal(
            np.asarray(decode(kept.get(kept.key(line.file.uri)), bits=line.file.bits)), wanted
        )


def test_bits_that_are_stated(tmp_path: Path) -> None:
    root = camera_set(tmp_path, 10)
    kept, result = ingested(root, bits=12)
    assert {line.file.bits for line in read_manifest(kept, result.manifest_uri)} == {12}
    card = read_card(kept, "parts")
    assert (card["bits"], card["bits_from"], card["notes"]) == (12, "given", [])
    store(root / "good/beyond.png", values(99, 14))
    _, result = ingested(root, bits=12)
    assert [path for path, reason in result.skipped if "up to 16383, and 12 bits hold 4095" in reason] == [
        "good/beyond.png"
    ]
    for wrong in (7, 17):
        with pytest.raises(InvalidInput, match=f"bits are {wrong}: use 8 to 16"):
            ingested(root, bits=wrong)


def test_files_of_8_bits_are_as_they_were(tmp_path: Path) -> None:
    root = camera_set(tmp_path, 12)
    eight = np.random.default_rng(7).integers(0, 256, (SIDE, SIDE)).astype(np.uint8)
    Image.fromarray(eight).save(root / "good/eight.png")
    kept, result = ingested(root)
    (line,) = [x for x in read_manifest(kept, result.manifest_uri) if x.origin.source == "good/eight.png"]
    np.testing.assert_array_equal(np.asarray(decode(kept.get(kept.key(line.file.uri)), bits=line.file.bits)), eight)
    for path in root.rglob("*.png"):
        Image.fromarray(np.random.default_rng(len(str(path))).integers(0, 256, (SIDE, SIDE)).astype(np.uint8)).save(
            path.with_suffix(".bmp")
        )
        path.unlink()
    assert find_bits(sorted(root.rglob("*.bmp"))).bits == 16
    assert find_bits(sorted(root.rglob("*.bmp"))).note == ""


def test_two_cameras_in_one_set_are_said(tmp_path: Path) -> None:
    root = camera_set(tmp_path, 16)
    for i in range(3):
        store(root / f"good/dark-{i}.png", values(50 + i, 12))
    kept, result = ingested(root)
    assert result.card["bits"] == 16
    assert any(
        note.startswith("3 of 11 files of 16 bits have no value above 4095, others reach 65535: ")
        for note in read_card(kept, "parts")["notes"]
    )
    assert json.dumps(result.card)


def test_broken_files_among_them_stop_nothing(tmp_path: Path) -> None:
    root = camera_set(tmp_path, 12)
    whole = (root / "good/3.png").read_bytes()
    (root / "good/broken.png").write_bytes(whole[: len(whole) // 2])
    (root / "good/no.tif").write_bytes(b"II*\0 no tiff")
    (root / "good/gone.png").symlink_to(root / "good/nowhere.png")
    _, result = ingested(root)
    assert result.card["bits"] == 12
    assert {path for path, _ in result.skipped} >= {"good/broken.png", "good/no.tif"}


@settings(deadline=None)
@given(st.lists(st.integers(0, 65535), min_size=1, max_size=20))
def test_the_fewest_bits_of_a_camera_that_hold_every_value(largest: list[int]) -> None:
    depth = bits_used(max(largest))
    assert depth in DEPTHS
    assert all(value < 2**depth for value in largest)
    if max(largest):
        assert not [bits for bits in DEPTHS if bits < depth and max(largest) < 2**bits]
    else:
        assert depth == 16


def test_a_photograph_of_12_bits_is_not_taken_for_a_mask(tmp_path: Path) -> None:
    shades = (np.add.outer(np.arange(SIDE), np.arange(SIDE)) * 60).astype(np.uint16)
    assert len(np.unique(np.asarray(decode(png_of(shades))))) <= 16  # as dark as class numbers, read as 16 bits
    (tmp_path / "photograph.png").write_bytes(png_of(shades))
    (tmp_path / "mask.png").write_bytes(png_of((shades > 2000).astype(np.uint16)))
    for name in ("photograph", "mask"):
        look = look_at(tmp_path / f"{name}.png")
        assert look is not None
        assert look.kind == name


def png_of(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()
