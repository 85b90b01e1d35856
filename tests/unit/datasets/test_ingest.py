"""Ingest: every format, every kind of broken file, groups that stay together, the same result twice."""

import io
import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from defectory.datasets.groups import FINE, find_groups
from defectory.datasets.ingest import ingest
from defectory.datasets.manifest import read_card, read_manifest
from defectory.datasets.prepared import squares
from defectory.errors import InvalidInput, NotFound
from defectory.imaging import decode
from defectory.storage.memory import MemoryStore


def part(seed: int, size: int = 80) -> Image.Image:
    random = np.random.default_rng(seed)
    return Image.fromarray(random.integers(0, 256, (size, size)).astype(np.uint8))


def class_folders(folder: Path, each: int = 8) -> Path:
    for number, label in enumerate(("good", "scratch", "hole")):
        (folder / label).mkdir(parents=True)
        for i in range(each):
            part(100 * number + i).save(folder / label / f"{i}.png")
    return folder


def bomb() -> bytes:
    """A PNG whose header promises 50,000 x 50,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_broken_files_are_listed_and_the_rest_goes_on(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "photos")
    whole = (root / "good/0.png").read_bytes()
    broken = {
        "empty.png": b"", "text.png": b"no image", "truncated.png": whole[: len(whole) // 2], "bomb.png": bomb(),
        "copy.png": whole,
    }  # fmt: skip
    for name, data in broken.items():
        (root / "good" / name).write_bytes(data)
    store = MemoryStore()
    result = ingest(root, store, "parts")
    assert {Path(path).name for path, _ in result.skipped} == set(broken)
    assert all(reason for _, reason in result.skipped)
    assert sorted(read_card(store, "parts")["skipped"]) == sorted(list(entry) for entry in result.skipped)
    lines = read_manifest(store, result.manifest_uri)
    assert len(lines) == 24
    assert {line.label for line in lines} == {"good", "defect"}
    assert {line.kind for line in lines if line.label == "defect"} == {"scratch", "hole"}
    for line in lines:
        assert (root / line.origin.source).is_file()
        assert store.get(store.key(line.file.uri)) == (root / line.origin.source).read_bytes()
        assert (line.file.width, line.file.height) == decode((root / line.origin.source).read_bytes()).size


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "I;16", "P", "1"])
@pytest.mark.parametrize("suffix", ["png", "tiff", "bmp", "jpg"])
def test_every_format_becomes_the_same_kind_of_image(tmp_path: Path, mode: str, suffix: str) -> None:
    grey = part(7)
    image = Image.fromarray(np.asarray(grey, np.uint16) * 257) if mode == "I;16" else grey.convert(mode)
    data = io.BytesIO()
    try:
        image.save(data, {"jpg": "JPEG", "tiff": "TIFF", "bmp": "BMP", "png": "PNG"}[suffix])
    except OSError:
        pytest.skip(f"{suffix} has no {mode}")
    decoded = decode(data.getvalue())
    assert decoded.mode in ("L", "RGB")
    assert decoded.size == (80, 80)
    if suffix != "jpg" and mode in ("L", "RGB", "I;16"):
        assert np.abs(np.asarray(decoded.convert("L"), int) - np.asarray(grey, int)).max() <= 1


def test_exif_rotation_is_applied() -> None:
    image = Image.new("RGB", (40, 20), "white")
    exif = Image.Exif()
    exif[0x0112] = 6
    data = io.BytesIO()
    image.save(data, "JPEG", exif=exif)
    assert decode(data.getvalue()).size == (20, 40)


def test_the_same_folder_gives_the_same_dataset(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "photos")
    first, second, other = (ingest(root, MemoryStore(), "parts", seed=seed) for seed in (0, 0, 1))
    assert first.card == second.card
    assert first.card["content_hash"] != other.card["content_hash"]


def test_given_groups_stay_on_one_side(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "photos", each=12)
    rows = [f"{label}/{i}.png,{label}-{i // 3}" for label in ("good", "scratch", "hole") for i in range(12)]
    (tmp_path / "groups.csv").write_text("\n".join(["image,group", *rows]))
    store = MemoryStore()
    result = ingest(root, store, "parts", groups_csv=tmp_path / "groups.csv")
    sides: dict[str, set[str]] = {}
    for line in read_manifest(store, result.manifest_uri):
        sides.setdefault(line.group, set()).add(line.split)
    assert len(sides) == 12
    assert all(len(splits) == 1 for splits in sides.values())


def test_too_few_validation_images_are_said_with_the_share_that_would_do(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "photos", each=40)
    for path in list((root / "hole").iterdir())[:20]:
        path.unlink()
    groups = [f"{path.relative_to(root)},{path.parent.name}-{path.stem}" for path in root.glob("*/*.png")]
    (tmp_path / "groups.csv").write_text("\n".join(["image,group", *groups]))
    warnings = {
        share: ingest(
            root, MemoryStore(), "parts", labels="kinds", groups_csv=tmp_path / "groups.csv",
            shares=(0.85 - share, share, 0.15),
        ).card["validation_warning"]
        for share in (0.15, 0.25)
    }  # fmt: skip
    # Of 29 holes 0.35 validate (10.2), and half train: one fewer, and 0.36 leave 13.7 of 20.
    assert warnings[0.15].startswith("a generator wants 20 training images of a label and 10 validation images")
    assert "good has 28 and 6, of 40" in warnings[0.15]
    assert "hole has 14 and 3, of 20" in warnings[0.15]
    assert warnings[0.15].endswith("with 16 more photographs of hole, and --validation-share 0.28, there are both")
    assert "good has" not in warnings[0.25]
    assert "hole has 12 and 5, of 20" in warnings[0.25]


def test_photographs_of_one_part_are_found() -> None:
    random = np.random.default_rng(0)
    images, truth = [], []
    for number in range(40):
        grey = np.asarray(part(number, 120), float)
        smooth = np.asarray(Image.fromarray(grey.astype(np.uint8)).resize((30, 30)).resize((120, 120)), float)
        for exposure in (0.6, 1.0, 1.5):
            dx, dy = random.integers(-3, 4, 2)
            moved = np.roll(smooth, (dy, dx), axis=(0, 1)) * exposure + random.normal(0, 3, (120, 120))
            images.append(np.clip(moved, 0, 255).astype(np.uint8))
            truth.append(number)
    groups = find_groups(np.stack([FINE.describe(i) for i in images]))
    same = np.equal.outer(truth, truth)
    joined = np.equal.outer(groups, groups)
    off = ~np.eye(len(truth), dtype=bool)
    assert (same & joined & off).sum() / (same & off).sum() > 0.98
    # Joining too much only makes groups larger; joining too little leaks.
    assert (same & joined & off).sum() / (joined & off).sum() > 0.9


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"name": "No Name"}, InvalidInput),
        ({"shares": (0.5, 0.1, 0.1)}, InvalidInput),
        ({"directory": "none"}, NotFound),
        ({"directory": "photos/good"}, InvalidInput),
    ],
)
def test_refusals(tmp_path: Path, change: dict, error: type) -> None:
    class_folders(tmp_path / "photos")
    arguments = {"directory": "photos", "name": "parts", **change}
    with pytest.raises(error):
        ingest(tmp_path / arguments.pop("directory"), MemoryStore(), **arguments)


def test_too_few_parts_of_a_label(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "photos")
    (root / "rare").mkdir()
    part(999).save(root / "rare/0.png")
    store = MemoryStore()
    with pytest.raises(InvalidInput, match="rare") as caught:
        ingest(root, store, "parts", labels="kinds")
    assert json.dumps({"rare": 1}) in str(caught.value)
    assert not store.exists("datasets/parts/dataset.json")


def test_pictures_keep_their_size_and_alpha_counts_on_request(tmp_path: Path) -> None:
    for number, label in enumerate(("good", "hole")):
        (tmp_path / label).mkdir()
        for i in range(4):
            image = part(10 * number + i).resize((60, 30)).convert("RGBA")
            image.putalpha(Image.linear_gradient("L").resize((60, 30)))
            image.save(tmp_path / label / f"{i}.png")
    store = MemoryStore()
    kept = read_manifest(store, ingest(tmp_path, store, "kept", keep_alpha=True).manifest_uri)
    white = read_manifest(store, ingest(tmp_path, store, "white", fit="pad").manifest_uri)
    assert {(x.file.width, x.file.height, x.file.fit, x.file.colour) for x in kept} == {(60, 30, "stretch", "RGBA")}
    assert {(x.file.width, x.file.height, x.file.fit, x.file.colour) for x in white} == {(60, 30, "pad", "L")}
    assert {x.file.sha256 for x in kept} == {x.file.sha256 for x in white}  # the same files, as they came
    assert {x.shape for x in squares(store, kept, 16) if isinstance(x, np.ndarray)} == {(16, 16, 4)}
    (shown,) = {x.shape for x in squares(store, white, 16) if isinstance(x, np.ndarray)}
    assert shown == (16, 16)
    assert read_card(store, "kept")["colour"] == "RGBA"
