"""Small valid input of every kind, which the search starts from."""

import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image

from defectory.datasets.manifest import dump_lines
from defectory.datasets.manifest_line import (
    Edit,
    Judgement,
    ManifestLine,
    MaskFile,
    Origin,
    PictureFile,
    Synthesis,
)
from defectory.models import version_prefix
from defectory.storage import open_store
from tests.fuzz.reader import ROOT
from tests.fuzz.targets import SEEDS, TOOLS

HIGH, WIDE = 20, 24


def _pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (HIGH, WIDE, *shape)).astype(np.uint8)


def _by_pillow(kind: str, mode: str = "RGB", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(_pixels(3)).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


def _tiff(values: np.ndarray, **options: object) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, **options)
    return buffer.getvalue()


def tiffs() -> Mapping[str, bytes]:
    """TIFFs of every kind that is read: depths, compressions, strips, tiles, planes, pages."""
    grey, deep = _pixels(), _pixels().astype(np.uint16) * 257
    planes = np.moveaxis(_pixels(3), -1, 0).astype(np.uint16) * 257
    compressed = {
        kind: _tiff(deep, compression=kind) for kind in ("zlib", "lzw", "packbits", "lzma", "zstd", "jpeg2000")
    }
    return {
        "plain": _tiff(grey),
        "16 bits": _tiff(deep),
        "big-endian": _tiff(deep, byteorder=">"),
        "bigtiff": _tiff(deep, bigtiff=True),
        "tiles": _tiff(deep, tile=(16, 16), compression="zlib", predictor=True),
        "strips": _tiff(_pixels(3), rowsperstrip=5, photometric="rgb"),
        "planes": _tiff(planes, photometric="rgb", planarconfig="separate"),
        "alpha": _tiff(_pixels(4), photometric="rgb", extrasamples=["unassalpha"]),
        "floats": _tiff((grey / 255).astype(np.float32)),
        "jpeg": _tiff(_pixels(3), photometric="rgb", compression="jpeg"),
        "bilevel": _by_pillow("TIFF", "1", compression="group4"),
        "palette": _by_pillow("TIFF", "P"),
        **compressed,
    }  # fmt: skip


def pngs() -> Mapping[str, bytes]:
    """PNGs of every mode, one of them with a note that it lies on its side."""
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    Image.fromarray(_pixels().astype(np.uint16) * 257).save(buffer, "PNG")
    modes = {mode: _by_pillow("PNG", mode) for mode in ("RGB", "L", "P", "1", "LA", "RGBA")}
    return {**modes, "16 bits": buffer.getvalue(), "turned": _by_pillow("PNG", exif=exif)}


def jpegs() -> Mapping[str, bytes]:
    """JPEGs: grey, colour, CMYK, progressive, turned."""
    exif = Image.Exif()
    exif[0x0112] = 8
    modes = {mode: _by_pillow("JPEG", mode) for mode in ("RGB", "L", "CMYK")}
    return {**modes, "progressive": _by_pillow("JPEG", progressive=True), "turned": _by_pillow("JPEG", exif=exif)}


def bmps() -> Mapping[str, bytes]:
    """BMPs of 24, 8 and 1 bits."""
    return {mode: _by_pillow("BMP", mode) for mode in ("RGB", "L", "P", "1", "RGBA")}


def webps() -> Mapping[str, bytes]:
    """WebP, which is not read: refused whatever becomes of it."""
    return {"lossy": _by_pillow("WEBP"), "lossless": _by_pillow("WEBP", lossless=True)}


def manifests() -> Mapping[str, bytes]:
    """A line with all of its parts, and lines of few."""
    digest = hashlib.sha256(b"x").hexdigest()
    file = PictureFile(uri="file:///store/x.png", sha256=digest, width=24, height=20)
    full = ManifestLine(
        file=file, label="scratch", split="train", group="g1", kinds=("scratch", "hole"),
        mask=MaskFile(uri="m.png", sha256=digest),
        origin=Origin(kind="synthetic", parents=(digest,), source="a/b.png", edit=Edit(recipe={"x": 1}, editor="e")),
        synthesis=Synthesis(seed=3, truncation_psi=0.7, noise_mode="const"),
        judgement=Judgement(scores={"good": 0.1, "scratch": 0.9}, reasons=("x",), reviewer="r"),
    )  # fmt: skip
    return {"manifest.jsonl": dump_lines([full, ManifestLine(file=file, label="good", split="test", origin=Origin())])}


def tables() -> Mapping[str, bytes]:
    """Tables of groups."""
    return {"groups.csv": b"image,group\na.png,1\nb/c.png,2\n", "parts.tsv": b'file\tpart\n"a, b.png"\tx\n'}


def outlines() -> Mapping[str, bytes]:
    """Masks of a picture of 20x16, as annotation tools write them."""
    stroke = json.loads((TOOLS / "label-studio-sdk-2.1.2/JSON_parts/result.json").read_bytes())
    rle = next(_values_of("rle", stroke))
    said: Mapping[str, Any] = {
        "polygons.json": {"segmentation": [[1.0, 1.0, 8.0, 1.0, 8.0, 8.0], [2.0, 2.0, 19.5, 2.0, 3.0, 15.0]]},
        "counts.json": {"segmentation": {"size": [16, 20], "counts": [100, 20, 200]}},
        "packed.json": {"segmentation": {"size": [16, 20], "counts": "b13=000000000^5"}},
        "brush.json": {"rle": rle},
        "runs.json": {"runs": "1 20 100 3"},
    }
    return {name: json.dumps(one).encode() for name, one in said.items()}


def _values_of(key: str, document: Any) -> Iterator[Any]:
    """Every value of a key, however deep it is."""
    inner = document if isinstance(document, list) else document.values() if isinstance(document, dict) else ()
    if isinstance(document, dict) and key in document:
        yield document[key]
    for one in inner:
        yield from _values_of(key, one)


def annotations() -> Mapping[str, bytes]:
    """Every file that an annotation tool wrote, as "folder:file"."""
    kinds = (".json", ".xml", ".txt", ".csv")
    folders = [folder for tool in TOOLS.iterdir() if tool.is_dir() for folder in tool.iterdir() if folder.is_dir()]
    files = [(folder, file) for folder in folders for file in folder.rglob("*") if file.suffix in kinds]
    return {f"{folder.relative_to(TOOLS)}:{file.relative_to(folder)}": file.read_bytes() for folder, file in files}


def classifier_bundle() -> tuple[Mapping[str, bytes], Mapping[str, bytes]]:
    """(card, weights) of a small classifier, which lies in the seeds' folder, too."""
    from bench.bundle import put_classifier

    store = open_store(f"file://{ROOT / SEEDS / 'classifier'}")
    prefix = version_prefix("classifier", "parts", "1")
    if not store.exists(prefix + "model.json"):
        put_classifier(store, "parts")
    return _bundle(ROOT / SEEDS / "classifier" / prefix)


def generator_bundle() -> tuple[Mapping[str, bytes], Mapping[str, bytes]]:
    """(card, weights) of a small generator, which lies in the seeds' folder, too."""
    from tests.unit.generator.generator_samples import write_generator

    store = open_store(f"file://{ROOT / SEEDS / 'generator'}")
    prefix = version_prefix("generator", "tiny", "1")
    if not store.exists(prefix + "model.json"):
        write_generator(store, classes=("good", "bent"))
    return _bundle(ROOT / SEEDS / "generator" / prefix)


def pickles() -> Mapping[str, bytes]:
    """Files as the reference writes them, of networks of ours."""
    from services.generator.stylegan2.networks import Architecture
    from tests.unit.generator.official_pickles import dumps, official

    tiny = Architecture(resolution_px=8, channel_base=256, channel_max=8, z_dim=8, w_dim=8)
    return {
        "plain.pkl": dumps(official(tiny)), "of classes.pkl": dumps(official(tiny.model_copy(update={"classes": 2})))
    }  # fmt: skip


def _bundle(folder: Path) -> tuple[Mapping[str, bytes], Mapping[str, bytes]]:
    card = json.dumps(json.loads((folder / "model.json").read_bytes())).encode()
    (weights,) = folder.glob("*.safetensors")
    return {"model.json": card}, {weights.name: weights.read_bytes()}
