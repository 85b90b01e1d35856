"""Defects that were set into photographs, cut out again as their judge knows real ones: at the photographs' scale."""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from defectory.datasets.manifest import write_dataset
from defectory.datasets.manifest_line import Judgement, ManifestLine, Origin, PictureFile
from defectory.errors import FailedPrecondition
from defectory.storage.parallel import in_order
from defectory.storage.store import ObjectStore
from orchestrator.edits.line import Files, objects
from orchestrator.edits.pictures import read_line_mask, read_picture, without_alpha

CUT_FROM = "set_photographs"  # of the cards of such datasets: what they were cut out of


def cut_out(store: ObjectStore, photographs: Sequence[ManifestLine], dataset: str, side_px: int, *, source: str) -> str:
    """Write a dataset of squares around the defects, in the photographs' order; returns its manifest's URI.

    A square's line is labelled with the defect's kind, and names the photograph that it is of as its parent.

    Args:
        photographs: synthetic ones, of kinds, with masks. side_px: of the squares, or a photograph's shorter side.
        source: URI of their manifest.

    Raises:
        FailedPrecondition: a photograph has no mask. Corrupted, NotFound, …: a picture or mask cannot be read.
    """

    def cut(line: ManifestLine) -> ManifestLine:
        pixels, mask = without_alpha(read_picture(store, line)), read_line_mask(store, line)
        if mask is None or not mask.any():
            raise FailedPrecondition(f"{line.file.uri} has no mask, so nobody knows where its defect is")
        side = min(side_px, *mask.shape)
        left, top = _start(mask, side)
        square = slice(top, top + side), slice(left, left + side)
        files = Files.of(pixels[square], mask[square])
        named = files.named(store, dataset)
        crop = replace(
            line,
            file=PictureFile(
                uri=named.uri, sha256=named.sha256, width=side, height=side,
                colour="L" if pixels.shape[2] == 1 else "RGB", fit="stretch",
            ),
            label=line.kind,
            mask=named.mask,
            origin=Origin(kind="synthetic", parents=(line.file.sha256,), tile=(left, top, side)),
            judgement=Judgement(),
        )  # fmt: skip
        for key, content in objects(crop, files, store):
            store.put(key, content)
        return crop

    return write_dataset(store, dataset, list(in_order(cut, photographs)), {CUT_FROM: source})


def _start(mask: np.ndarray, side: int) -> tuple[int, int]:
    """(left, top) of the square with the defect in its middle, moved into the photograph."""
    left, top, width, height = cv2.boundingRect(mask.astype(np.uint8))
    x = min(max(left + width // 2 - side // 2, 0), mask.shape[1] - side)
    y = min(max(top + height // 2 - side // 2, 0), mask.shape[0] - side)
    return x, y
