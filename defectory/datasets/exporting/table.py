"""A CSV table of the images beside their folder."""

import csv
import io
from collections.abc import Sequence

from defectory.datasets.exporting.picture import Exported, Picture

COLUMNS = ("image", "label", "split", "group", "kind", "kinds", "origin", "mask", "generator", "seed", "verdict")


def write(pictures: Sequence[Picture], good: str) -> Exported:
    """`table.csv`, `images/x.png`, `masks/x_mask.png`; `defectory ingest` reads it back, splits and groups included."""
    del good
    images = {picture: f"images/{picture.name}.png" for picture in pictures}
    masks = {picture: f"masks/{picture.name}_mask.png" for picture in pictures if picture.read_mask}
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    rows.writerow(COLUMNS)
    for picture in pictures:
        line, synthesis = picture.line, picture.line.synthesis
        rows.writerow([
            images[picture], line.label, "" if line.split == "none" else line.split, line.group, line.kind,
            "|".join(line.kinds), line.origin.kind, masks.get(picture, ""), synthesis.generator if synthesis else "",
            "" if synthesis is None or synthesis.seed is None else synthesis.seed, line.judgement.verdict,
        ])  # fmt: skip
    return Exported(images, masks, {"table.csv": text.getvalue().encode()})
