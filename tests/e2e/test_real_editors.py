"""Edits make the round trip through the real GIMP and Krita, where they are installed: `make edit-test`."""

import os
import shutil
import subprocess
from pathlib import Path

import imagecodecs
import numpy as np
import pytest

from defectory.datasets.manifest import ManifestLine, read_manifest, write_dataset
from defectory.datasets.masks import read_mask
from defectory.storage.memory import MemoryStore
from orchestrator.edits.hand_export import export_for_hand
from orchestrator.edits.hand_import import Taken, import_from_hand, read_index
from tests.unit.edits.test_by_hand import deep, paint
from tests.unit.edits.tiles import HEIGHT, WIDTH, make_tiles

pytestmark = pytest.mark.slow
# What a person does in GIMP: load, fill an ellipse (a rectangle of 20 x 12 px around it), flatten or not, export.
GIMP = """
(define (edit name linear)
  (let* ((image (car (gimp-file-load RUN-NONINTERACTIVE name name)))
         (layer (car (gimp-image-get-active-drawable image))))
    (if linear (gimp-image-convert-precision image PRECISION-FLOAT-LINEAR))
    (gimp-context-set-foreground '(10 10 10))
    (gimp-image-select-ellipse image CHANNEL-OP-REPLACE 50 40 20 12)
    (gimp-drawable-edit-fill layer FILL-FOREGROUND)
    (gimp-selection-none image)
    (file-png-save RUN-NONINTERACTIVE image layer name name 0 9 0 1 1 1 1)
    (gimp-image-delete image)))
"""


@pytest.fixture
def desk(tmp_path: Path) -> tuple[MemoryStore, list[ManifestLine], Path]:
    """A dataset of 8 and 16 bits, and its exported good parts: in order of their names."""
    store = MemoryStore()
    lines = [deep(store, 16), *make_tiles(store, good=3)]
    uri = write_dataset(store, "tiles", lines, {})
    out = tmp_path / "out"
    export_for_hand(store, lines, out, source=uri, choose=["good"], count=0, seed=0)
    return store, lines, out


def take(desk: tuple[MemoryStore, list[ManifestLine], Path]) -> tuple[Taken, list[ManifestLine]]:
    store, lines, out = desk
    taken = import_from_hand(store, out, read_index(store, out), lines, "hand", person="x", ask=lambda question: "hole")
    return taken, read_manifest(store, taken.manifest_uri)


def mask_of(store: MemoryStore, line: ManifestLine) -> np.ndarray:
    return np.asarray(read_mask(store.get(store.key(line.mask.uri)), WIDTH, HEIGHT)) > 0


@pytest.mark.skipif(not shutil.which("gimp"), reason="GIMP is not installed")
def test_through_gimp(desk: tuple[MemoryStore, list[ManifestLine], Path], tmp_path: Path) -> None:
    store, _, out = desk
    files = sorted(out.glob("*.png"))
    calls = "".join(f'(edit "{path}" {"#t" if number == 0 else "#f"})\n' for number, path in enumerate(files))
    (tmp_path / "edit.scm").write_text(GIMP + calls)
    command = ["gimp", "-i", "-d", "-f", "-c", "-b", f'(load "{tmp_path}/edit.scm")', "-b", "(gimp-quit 0)"]
    subprocess.run(command, check=True, timeout=600, env={**os.environ, "HOME": str(tmp_path)}, capture_output=True)
    taken, lines = take(desk)
    assert taken.images == len(files) == 4
    assert taken.left_out == []
    assert all(editor.startswith("GIMP 2.10") for editor in taken.editors)
    for line in lines:
        covered, rim = np.pi * 10 * 6, np.pi * (10 + 6)  # an ellipse of 20 x 12 px, and its softened edge
        assert covered - rim / 2 <= mask_of(store, line).sum() <= covered + rim


@pytest.mark.skipif(not (shutil.which("krita") and shutil.which("xvfb-run")), reason="Krita is not installed")
def test_through_krita(desk: tuple[MemoryStore, list[ManifestLine], Path], tmp_path: Path) -> None:
    store, _, out = desk
    files = sorted(out.glob("*.png"))
    for path in files:
        paint(path, slice(40, 52), slice(50, 70))
    script = "\n".join(f"krita --export --export-filename {path.with_suffix('.saved.png')} {path}" for path in files)
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    subprocess.run(
        ["xvfb-run", "-w", "10", "-a", "sh", "-c", script],
        timeout=900,
        env=environment,
        capture_output=True,
        check=False,
    )
    for path in files:
        path.with_suffix(".saved.png").replace(path)
        assert imagecodecs.png_decode(path.read_bytes()).shape[2] == 4, "always RGBA"
    taken, lines = take(desk)
    assert taken.images == len(files) == 4
    for line in lines:
        mask = mask_of(store, line)
        assert mask.sum() == 12 * 20
        assert mask[40:52, 50:70].all()
