"""What a run with generator.view: defect made, kind by kind: figures in a table, and sheets beside real defects.

`python -m bench.defect_view --store URL --run NAME` reads the run's crops, its generator's and what its judges said of
them, and writes docs/results/defect_view.md.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from bench.record import record
from defectory.datasets.manifest import dataset_of_manifest, read_card, read_manifest
from defectory.datasets.manifest_line import ManifestLine
from defectory.imaging import decode
from defectory.imaging.sheet import contact_sheet
from defectory.storage import ObjectStore, open_store
from orchestrator.defects.crops import GOOD
from orchestrator.edits.pictures import read_line_mask, read_picture
from orchestrator.pipeline.outputs import FILTER, GENERATORS, FilteredLabel, Key, Read, TrainedGenerator
from orchestrator.pipeline.run_record import RunRecord
from orchestrator.report.around import around_defect
from services.generator import bundle
from services.generator.metrics.evaluate import Reference

COMMAND = "python -m bench.defect_view --store URL --run NAME"
RESULTS = Path(__file__).parents[1] / "docs/results"
COLUMNS = (
    "kind", "crops learned from", "KID of crops", "of real ones", "copies", "coverage",
    "masks with a defect", "crops accepted", "of held-out real ones sure enough", "photographs accepted",
)  # fmt: skip
SHOWN, ACROSS, SCALE, WHOLE, AROUND_PX = 24, 8, 2, 6, 128


def main() -> None:
    """Measure a run."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--store", required=True, help="URL of the store that has the run")
    parser.add_argument("--run", required=True, help="its name")
    given = parser.parse_args()
    measure(open_store(given.store), given.run)


def measure(store: ObjectStore, run: str) -> None:
    """Write the page of a run."""
    filtered, generators = _step(store, run, FILTER).root, _step(store, run, GENERATORS).root
    threshold = float(str(RunRecord(store, run).pipeline().section("filter")["threshold"]))
    rows, sheets = [], []
    for label, generator in generators.items():
        if generator.crops is None:
            continue
        crops = read_manifest(store, generator.crops.manifest_uri)
        for kind in generator.kinds:
            rows.append(_row(store, kind, crops, filtered[label], threshold))
            sys.stdout.write(" | ".join(rows[-1]) + "\n")
            sheets += _sheets(store, kind, crops, filtered[label])
    page = RESULTS / "defect_view.md"
    if not page.exists():
        page.write_text("# Defects by themselves\n")
    notes = "\n\n".join([_how(store, generators), *sheets])
    record(f"Run {run}", COMMAND, COLUMNS, rows, notes, packages=("torch", "opencv-python-headless"), to=page)


def _step(store: ObjectStore, run: str, key: Key[Read]) -> Read:
    remembered = RunRecord(store, run).step(key)
    if remembered is None:
        raise SystemExit(f"run {run} has not finished its step {key.step}")
    return remembered.outputs


def _row(
    store: ObjectStore, kind: str, crops: Sequence[ManifestLine], filtered: FilteredLabel, threshold: float
) -> list[str]:
    """A kind's figures; KID of real training crops against held-out ones says how low it can be."""
    train, held_out = ([x for x in crops if x.label == kind and x.split == split] for split in ("train", "validation"))
    synthetic = _synthetic(store, kind, filtered)
    pixels, held = _pixels(store, train), _pixels(store, held_out)
    reference = Reference(pixels, held, parts=[line.group for line in train])
    scores, real = reference.measure(_pixels(store, synthetic)), reference.measure(pixels)
    whole = [x for one in filtered.rounds for x in read_manifest(store, one.manifest_uri) if x.kind == kind]
    crops_accepted = sum(line.judgement.verdict == "accepted" for line in synthetic)
    accepted = sum(line.judgement.verdict == "accepted" for line in whole)
    return [
        kind,
        str(len(train)),
        f"{scores.kid:.3f} ({scores.kid_low:.3f} to {scores.kid_high:.3f})",
        f"{real.kid:.3f}",
        f"{scores.copies:.0%}",
        f"{scores.coverage:.2f}",
        f"{sum(line.mask is not None for line in synthetic)} of {len(synthetic)}",
        f"{crops_accepted} of {len(synthetic)} ({crops_accepted / len(synthetic):.0%})",
        f"{_sure_of_real(store, kind, filtered, threshold):.0%}",
        f"{accepted} of {len(whole)} ({accepted / len(whole):.0%})",
    ]


def _synthetic(store: ObjectStore, kind: str, filtered: FilteredLabel) -> list[ManifestLine]:
    """Synthetic crops of a kind, with verdicts."""
    uris = [uri for one in filtered.rounds for uri in one.crops_manifest_uris]
    return [line for uri in uris for line in read_manifest(store, uri) if line.label == kind]


def _sure_of_real(store: ObjectStore, kind: str, filtered: FilteredLabel, threshold: float) -> float:
    """Share of held-out real crops of a kind of which their judge is as sure as a synthetic one needs."""
    (uri,) = [x for x in filtered.rounds[0].crops_manifest_uris if read_manifest(store, x)[0].label == kind]
    (judged,) = read_card(store, dataset_of_manifest(store, uri))["parents"]
    curve = json.loads(store.get(f"datasets/{dataset_of_manifest(store, judged)}/curve.json"))
    return float(np.interp(threshold, curve["thresholds"], curve["real"][kind]))


def _sheets(store: ObjectStore, kind: str, crops: Sequence[ManifestLine], filtered: FilteredLabel) -> list[str]:
    real = [x for x in crops if x.label == kind and x.split == "train"]
    whole = [x for one in filtered.rounds for x in read_manifest(store, one.synthetic_manifest_uri) if x.kind == kind]
    one_a_part = list({line.group: line for line in real}.values())
    some = {
        "real": _sheet([_with_mask(store, line) for line in _spread([*one_a_part, *real])]),
        "synthetic": _sheet([_with_mask(store, line) for line in _synthetic(store, kind, filtered)[:SHOWN]]),
        "set": _sheet(
            [np.asarray(decode(around_defect(store, line, AROUND_PX) or b"").convert("L")) for line in whole[:SHOWN]]
        ),
        "photographs": _whole(store, whole[:WHOLE]),
    }
    for name, sheet in some.items():
        path = RESULTS / f"defect_view/{kind}-{name}.webp"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(sheet).save(path, "WEBP", quality=80, method=6)
    return [
        f"### {kind}\n\nCrops with their masks: real ones for training, and synthetic ones as made, none chosen.\n\n"
        f"| real | synthetic |\n|---|---|\n| ![real {kind}](defect_view/{kind}-real.webp) "
        f"| ![synthetic {kind}](defect_view/{kind}-synthetic.webp) |\n\n"
        f"Set into good parts, as made: around the defect, and whole photographs.\n\n"
        f"![{kind} set into good parts](defect_view/{kind}-set.webp)\n\n"
        f"![photographs with a synthetic {kind}](defect_view/{kind}-photographs.webp)"
    ]


def _spread(lines: Sequence[ManifestLine]) -> list[ManifestLine]:
    return list({line.file.sha256: line for line in lines}.values())[:SHOWN]


def _with_mask(store: ObjectStore, line: ManifestLine) -> np.ndarray:
    """A crop above its mask, uint8 (2 side, side)."""
    grey = read_picture(store, line).mean(axis=-1).astype(np.uint8)
    mask = read_line_mask(store, line)
    return np.concatenate([grey, np.zeros_like(grey) if mask is None else mask.astype(np.uint8) * 255])


def _sheet(pictures: Sequence[np.ndarray]) -> np.ndarray:
    larger = [picture.repeat(SCALE, 0).repeat(SCALE, 1) if picture.shape[1] <= 64 else picture for picture in pictures]
    return contact_sheet(larger, ACROSS, gap_px=3, ground=255)


def _whole(store: ObjectStore, lines: Sequence[ManifestLine]) -> np.ndarray:
    return contact_sheet(
        [read_picture(store, line).mean(axis=-1).astype(np.uint8) for line in lines], 3, gap_px=6, ground=255
    )


def _pixels(store: ObjectStore, lines: Sequence[ManifestLine]) -> np.ndarray:
    return np.stack([read_picture(store, line).mean(axis=-1, keepdims=True).astype(np.uint8) for line in lines])


def _how(store: ObjectStore, generators: dict[str, TrainedGenerator]) -> str:
    """How long the generator was trained, and from what."""
    learned = next(x for x in generators.values() if x.crops is not None)
    card = bundle.read_card(store, learned.full_name)
    counts = (
        Counter({kind: n for kind, n in learned.crops.counts["train"].items() if kind != GOOD}) if learned.crops else {}
    )
    return (
        f"The generator saw {card.kimg:g} thousand images (the shipped snapshot {card.shipped_kimg:g}) of "
        f"{sum(counts.values())} crops at {card.architecture.resolution_px} px, and started from "
        f"`{card.initial_model}`. "
        "KID is against held-out crops; beside it that of the real training crops: of the held-out crops of a dozen "
        "photographs it says little. Accepted: what the judge of crops and the novelty gate let pass, in the crop and "
        "where it was set, at the run's threshold; photographs are counted of all crops that were made."
    )


if __name__ == "__main__":
    main()
