"""Edits on the magnetic tiles: the seam of every way to blend, a sheet beside real defects, and the rate of editing.

`python -m bench.edits --store URL --dataset NAME` measures seams and writes docs/results/edits.md; with `--rate` it
measures, on drawn photographs alone, how fast 1,000 defects are set into 300x300 photographs beside reading and writing
the same files, and records it in docs/benchmarks.md.
"""

import argparse
import hashlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path

import cv2
import numpy as np

from bench.record import record
from defectory.datasets.manifest import manifest_key, original_key, read_manifest, write_dataset
from defectory.datasets.manifest_line import ManifestLine, MaskFile, PictureFile, Synthesis
from defectory.imaging import decode, encode_png
from defectory.imaging.sheet import contact_sheet
from defectory.storage import ObjectStore, open_store
from defectory.storage.parallel import in_order
from orchestrator.defects.setting import set_defects
from orchestrator.edits.catalogue import catalogue_of
from orchestrator.edits.making import edit_by_recipe, read_whole
from orchestrator.edits.recipe import EditRecipe

COMMAND = "python -m bench.edits --store URL --dataset NAME"
RESULTS = Path(__file__).parents[1] / "docs/results"
WAYS: dict[str, dict[str, object]] = {
    "matched (the default)": {},
    "seamless": {"blend": "seamless"},
    "soft": {"blend": "soft"},
    "paste": {"blend": "paste"},
    "matched, turned by up to 20°, size 0.8 to 1.25": {"turn_degrees": [-20, 20], "size": [0.8, 1.25]},
}
SHOWN, COLUMNS, TILE_PX, AROUND_PX = 24, 6, 110, 130


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--store", default="", help="URL of a store that has the magnetic tiles")
    parser.add_argument("--dataset", default="tiles", help="their name in it, ingested with their masks")
    parser.add_argument("--count", type=int, default=400, help="pictures of every way, or of the rate")
    parser.add_argument("--rate", action="store_true", help="measure the rate")
    given = parser.parse_args()
    if given.store:
        seams(open_store(given.store), given.dataset, given.count)
    if given.rate:
        rate(given.count)


def seams(store: ObjectStore, dataset: str, count: int) -> None:
    """Edits of every way, their seams as a table, and sheets of the default's."""
    source = store.uri(manifest_key(dataset))
    lines = read_manifest(store, source)
    rows = []
    for number, (way, recipe) in enumerate(WAYS.items()):
        edited = edit_by_recipe(
            store,
            lines,
            EditRecipe.model_validate(recipe),
            f"{dataset}-edits-{number}",
            source=source,
            count=count,
            seed=0,
        )
        seam = edited.seam or {}
        rows.append([way, str(edited.images), f"{seam['auroc']:.2f}", f"{seam['low']:.2f} to {seam['high']:.2f}"])
        sys.stdout.write(" | ".join(rows[-1]) + "\n")
        if number == 0:
            _sheets(store, lines, read_manifest(store, edited.manifest_uri))
    notes = (
        "AUROC of a shrinkage LDA that tells the border of an edit from that of the same defect in its own photograph, "
        "on pairs of parts that it has not seen; 95% interval. Wanted: at most 0.60.\n\n"
        "Real defects, and edits of them, by the default recipe:\n\n"
        "| real, for training | edited |\n|---|---|\n"
        "| ![real blowholes](edits/blowhole-real.png) | ![edited blowholes](edits/blowhole-edited.png) |\n"
        "| ![real cracks](edits/crack-real.png) | ![edited cracks](edits/crack-edited.png) |"
    )
    columns = ("blending", "pictures", "seam, AUROC", "interval")
    page = RESULTS / "edits.md"
    if not page.exists():
        page.write_text("# Edits on the magnetic tiles\n")
    record("The seam", COMMAND, columns, rows, notes, packages=("opencv-python-headless", "numpy"), to=page)


def _sheets(store: ObjectStore, real: Sequence[ManifestLine], edited: Sequence[ManifestLine]) -> None:
    for kind in ("blowhole", "crack"):
        for name, lines in (("real", _one_a_part(real)), ("edited", edited)):
            chosen = [x for x in lines if x.kind == kind and x.split == "train" and x.mask][:SHOWN]
            sheet = contact_sheet([_around(store, line) for line in chosen], COLUMNS, gap_px=3, ground=255)
            path = RESULTS / f"edits/{kind}-{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode_png(sheet))


def _one_a_part(lines: Sequence[ManifestLine]) -> list[ManifestLine]:
    """Of every part the first photograph: others show the same defect."""
    return list({(line.group, line.kind): line for line in reversed(lines)}.values())[::-1]


def _around(store: ObjectStore, line: ManifestLine) -> np.ndarray:
    """A square around a picture's defect, uint8 (TILE_PX, TILE_PX)."""
    picture = read_whole(store, line)
    grey = picture.pixels.mean(axis=-1).astype(np.uint8)
    mask = picture.mask if picture.mask is not None else np.ones(grey.shape, bool)
    left, top, width, height = cv2.boundingRect(mask.astype(np.uint8))
    side = min(max(AROUND_PX, round(1.3 * max(width, height))), *grey.shape)
    x = int(np.clip(left + width // 2 - side // 2, 0, grey.shape[1] - side))
    y = int(np.clip(top + height // 2 - side // 2, 0, grey.shape[0] - side))
    return np.asarray(cv2.resize(grey[y : y + side, x : x + side], (TILE_PX, TILE_PX), interpolation=cv2.INTER_AREA))


def rate(count: int, rounds: int = 3) -> None:
    """CPU seconds of setting defects in beside those of reading and writing the same number of the same files."""
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"file://{folder}/store")
        lines, crops = _photographs(store), _crops(store)
        good = [line for line in lines if line.label == "good"]
        recipe = EditRecipe(shares={"copy": 1})
        catalogue = catalogue_of(store, lines, recipe)

        def edited(number: int) -> int:
            name = f"edited-{number}"
            return edit_by_recipe(store, lines, recipe, name, source="drawn", count=count, seed=number).images

        def set_in(number: int) -> int:
            shown, name = list(islice(cycle(crops), count)), f"set-{number}"
            return set_defects(store, shown, catalogue, recipe, name, label="defect", size=1, seed=number).images

        def copied(number: int) -> int:
            wanted = range(number * count, (number + 1) * count)
            return sum(1 for _ in in_order(lambda index: _copied(store, good[index % len(good)], index), wanted))

        work: dict[str, Callable[[int], int]] = {"edited": edited, "set in": set_in, "copied": copied}
        seconds: dict[str, list[float]] = {name: [] for name in work}
        for number in range(rounds):
            for name, do in work.items():
                start = _cpu_s()
                images = do(number)
                seconds[name].append((_cpu_s() - start) / images)
    each = {name: min(of_work) for name, of_work in seconds.items()}
    rows = [
        [text, f"{1 / each[name]:.0f}", f"{each['copied'] / each[name]:.2f}", wanted]
        for name, text, wanted in (
            ("copied", "reading a photograph, writing it and a mask", "–"),
            ("set in", "setting a synthetic defect into each", "0.7"),
            ("edited", "copying a real defect into each, the seam measured", "0.7"),
        )
    ]
    for row in rows:
        sys.stdout.write(" | ".join(row) + "\n")
    columns = ("work on 300×300 PNG files", "files a CPU second", "of reading and writing", "at least")
    notes = f"{count} pictures, masks and manifest included; best of {rounds} rounds in turns."
    record("Edits", "python -m bench.edits --rate", columns, rows, notes, packages=("opencv-python-headless", "pillow"))


def _crops(store: ObjectStore, count: int = 60, side: int = 64) -> list[ManifestLine]:
    """Squares as a generator makes them: the drawn surface with a dark spot in the middle, and its mask."""
    lines = []
    for number, line in enumerate(_drawn(store, range(1000, 1000 + count), side, (28, 36), defective=True)):
        lines.append(replace(line, label="spot", kind="", synthesis=Synthesis(generator="drawn/1", seed=number)))
    return lines


def _copied(store: ObjectStore, line: ManifestLine, number: int) -> None:
    """A photograph read and written, and a mask of its size written: the files of an edit, and nothing between."""
    image = decode(store.get(store.key(line.file.uri)))
    store.put(f"copies/{number}.png", encode_png(image))
    store.put(f"copies/{number}-mask.png", encode_png(np.zeros((image.height, image.width), np.uint8)))


def _cpu_s() -> float:
    times = os.times()
    return times.user + times.system


def _photographs(store: ObjectStore, good: int = 100, defects: int = 40, side: int = 300) -> list[ManifestLine]:
    """Drawn surfaces of fine texture, some with a dark spot and its mask."""
    lines = [
        *_drawn(store, range(good), side, (60, 240), defective=False),
        *_drawn(store, range(good, good + defects), side, (60, 240), defective=True),
    ]
    write_dataset(store, "drawn", lines, {})
    return lines


def _drawn(
    store: ObjectStore, numbers: range, side: int, places: tuple[int, int], *, defective: bool
) -> Iterator[ManifestLine]:
    for number in numbers:
        random = np.random.default_rng(number)
        smooth = cv2.GaussianBlur(random.normal(0, 12, (side, side)).astype(np.float32), (0, 0), 2)
        pixels = np.clip(128 + 3 * smooth + random.normal(0, 3, (side, side)), 0, 255).astype(np.uint8)
        mask = np.zeros((side, side), np.uint8)
        if defective:
            x, y = (int(v) for v in random.integers(*places, 2))
            cv2.ellipse(mask, (x, y), (int(random.integers(5, 14)), int(random.integers(4, 9))), 30, 0, 360, 255, -1)
            pixels[mask > 0] = pixels[mask > 0] // 4
        yield _stored(store, pixels, mask if defective else None, number)


def _stored(store: ObjectStore, pixels: np.ndarray, mask: np.ndarray | None, number: int) -> ManifestLine:
    png = encode_png(pixels)
    sha256 = hashlib.sha256(png).hexdigest()
    store.put(original_key("drawn", sha256, "png"), png)
    marked = None
    if mask is not None:
        mask_png = encode_png(mask)
        mask_sha256 = hashlib.sha256(mask_png).hexdigest()
        store.put(f"datasets/drawn/masks/{mask_sha256}.png", mask_png)
        marked = MaskFile(uri=store.uri(f"datasets/drawn/masks/{mask_sha256}.png"), sha256=mask_sha256)
    file = PictureFile(
        uri=store.uri(original_key("drawn", sha256, "png")),
        sha256=sha256,
        width=pixels.shape[1],
        height=pixels.shape[0],
        colour="L",
        fit="stretch",
    )
    return ManifestLine(
        file=file,
        label="defect" if marked else "good",
        kind="spot" if marked else "",
        split="train",
        group=f"g{number}",
        mask=marked,
    )


if __name__ == "__main__":
    main()
