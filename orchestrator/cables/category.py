"""Writes drawn cables as a category in the layout of MVTec AD."""

import io
import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from defectory.datasets.ingest import DRAWN_FILE
from defectory.errors import AlreadyExists, InvalidInput
from defectory.memory import keep_freed_memory
from orchestrator.cables.drawing import draw_cable
from orchestrator.cables.faults import FAULTS

RECORD = ".cables.json"  # how the folder was drawn; hidden, so that nobody takes it for an image


def write_cables(
    directory: Path,
    good: int,
    defect: int,
    seed: int,
    size_px: int = 256,
    report: Callable[[int, int], None] | None = None,
    kinds: Sequence[str] = tuple(FAULTS),
) -> None:
    """Draw a category: train/good, test/<kind> and ground_truth/<kind>/<name>_mask.png, the kinds as even as they go.

    Called again with the same arguments it draws only what is missing.

    Args:
        directory: where to; made when it is not there.
        good, defect: how many images, each >= 0; together at least one.
        seed: >= 0; image i of a category is the same however many are drawn after it.
        size_px: side of the images.
        report: called with (images done, images in all) after each.
        kinds: of fault, one at least.

    Raises:
        InvalidInput: a number out of its range, or no such kind.
        AlreadyExists: the directory holds cables that were drawn otherwise.
    """
    if good < 0 or defect < 0 or good + defect == 0:
        raise InvalidInput(f"{good} good and {defect} defect cables cannot be drawn; use 0 or more, and one at least")
    if not kinds or set(kinds) - set(FAULTS):
        right = f"use some of {', '.join(FAULTS)}"
        raise InvalidInput(f"kinds of fault {', '.join(kinds) or 'none'}: {right}", {"kinds": right})
    ordered = [kind for kind in FAULTS if kind in kinds]
    _claim(directory, {"seed": seed, "size_px": size_px} | ({} if len(ordered) == len(FAULTS) else {"kinds": ordered}))
    (directory / DRAWN_FILE).write_text("these are drawings of cables, made by `defectory cables`\n")
    wanted = [("good", index) for index in range(good)] + [(kind, index) for index, kind in _spread(defect, ordered)]
    keep_freed_memory()  # every cable is drawn in large arrays, which come and go
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        drawn = pool.map(lambda one: _write_one(directory, one[0], one[1], seed, size_px), wanted)
        for done, _ in enumerate(drawn, start=1):
            if report is not None:
                report(done, len(wanted))


def _spread(defect: int, kinds: Sequence[str]) -> list[tuple[int, str]]:
    """(number within its kind, kind) of every faulty image, kinds in turn."""
    return [(number // len(kinds), kinds[number % len(kinds)]) for number in range(defect)]


def _write_one(directory: Path, kind: str, index: int, seed: int, size_px: int) -> None:
    image_path = directory / ("train" if kind == "good" else "test") / kind / f"{index:04d}.png"
    mask_path = directory / "ground_truth" / kind / f"{index:04d}_mask.png"
    if image_path.exists() and (kind == "good" or mask_path.exists()):
        return
    own_seed = int(np.random.SeedSequence([seed, *kind.encode(), index]).generate_state(1)[0])
    drawing = draw_cable(own_seed, kind, size_px)
    if kind != "good":
        _write_png(mask_path, drawing.mask)
    _write_png(image_path, drawing.image)


def _write_png(path: Path, pixels: NDArray[np.uint8]) -> None:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=3)
    _write_whole(path, buffer.getvalue())


def _write_whole(path: Path, data: bytes) -> None:
    """All of the file or none of it: a run that is killed leaves nothing half written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.part")
    unfinished.write_bytes(data)
    os.replace(unfinished, path)  # noqa: PTH105  # the same as Path.replace, and says what matters: it is atomic


def _claim(directory: Path, how: dict[str, object]) -> None:
    """Note how the folder is drawn, or see that it was drawn so."""
    record = directory / RECORD
    if not record.exists():
        _write_whole(record, json.dumps(how, sort_keys=True).encode())
    elif json.loads(record.read_bytes()) != how:
        raise AlreadyExists(f"{directory} holds cables drawn with {record.read_text()}; choose another folder")
