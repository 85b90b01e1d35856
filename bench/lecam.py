"""LeCam regularisation on and off, at equal length, on crops of one kind of defect (a run's, with view: defect).

`python -m bench.lecam --store URL --run NAME --kind KIND` trains a generator for each weight and seed from the run's
model of good surface, through the command line, with all else alike, and writes docs/results/lecam.md: what was
measured on held-out crops at the last snapshot, and over the later half of them. What is trained is not trained again.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from bench.record import record
from defectory.storage import ObjectStore, open_store
from orchestrator.pipeline.outputs import GENERATORS, LearnedCrops, TrainedGenerator
from orchestrator.pipeline.run_record import RunRecord
from services.generator import bundle

COMMAND = (
    "python -m bench.lecam --store URL --run NAME --kind {kind} --kimg {kimg:g} --weights {weights} --seeds {seeds}"
)
PAGE = Path(__file__).parents[1] / "docs/results/lecam.md"
SNAPSHOTS = 8  # of a training
FIGURES: Mapping[str, str] = {
    "kid": "KID", "coverage": "coverage", "density": "density", "diversity": "diversity", "copies": "copies",
    "masked": "masks with a defect", "r_t": "r_t", "augment_p": "p",
}  # fmt: skip


def main() -> None:
    """Train what is not trained yet, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--store", required=True, help="URL of the store that has the run")
    parser.add_argument("--run", required=True, help="its name")
    parser.add_argument("--kind", required=True, help="of the defects that are learned")
    parser.add_argument("--kimg", type=float, default=8)
    parser.add_argument("--weights", default="0,0.3", help="values of lecam_weight; the first one is compared with")
    parser.add_argument("--seeds", default="0,1")
    given = parser.parse_args()
    store = open_store(given.store)
    learned, crops = _learned(store, given.run)
    weights, seeds = ([*map(float, given.weights.split(","))], [*map(int, given.seeds.split(","))])
    histories = {
        (weight, seed): _trained(store, crops, learned, given.kind, weight, seed, given.kimg)
        for seed in seeds
        for weight in weights
    }
    rows = [_row(f"{weight:g}", str(seed), history) for (weight, seed), history in sorted(histories.items())]
    rows += [
        _row(f"{weight:g}", "mean", [line for seed in seeds for line in _later(histories[weight, seed])], later=True)
        for weight in weights
    ]
    columns = ["weight", "seed", *FIGURES.values()]
    command = COMMAND.format(kind=given.kind, kimg=given.kimg, weights=given.weights, seeds=given.seeds)
    if not PAGE.exists():
        PAGE.write_text("# LeCam regularisation, on and off\n")
    count = crops.counts["train"][given.kind]
    held_out = crops.counts["validation"][given.kind]
    notes = (
        f"{count} crops of {given.kind} for training, {held_out} held out; {given.kimg:g} kimg each. Seeds: at the "
        f"last snapshot. Mean: over all seeds and the later half of their {SNAPSHOTS} snapshots. So few held-out crops "
        "and seeds show a large difference only. While few masks have a defect, the figures are of surface more than "
        "of it."
    )
    sys.stdout.write(record(given.kind, command, columns, rows, notes, packages=("torch",), to=PAGE))


def _learned(store: ObjectStore, run: str) -> tuple[TrainedGenerator, LearnedCrops]:
    """The run's generator of defects, and the crops that it learned from."""
    remembered = RunRecord(store, run).step(GENERATORS)
    for generator in remembered.outputs.root.values() if remembered else ():
        if generator.crops is not None:
            return generator, generator.crops
    raise SystemExit(f"run {run} has no generator that learned from crops of defects")


def _trained(
    store: ObjectStore, crops: LearnedCrops, learned: TrainedGenerator, kind: str, weight: float, seed: int, kimg: float
) -> list[dict[str, Any]]:
    """What was measured at each snapshot of a training like the run's own, but of one kind."""
    name = f"lecam-{kind}-{kimg:g}-{weight:g}-{seed}".replace(" ", "-")
    card = bundle.read_card(store, learned.full_name)
    settings = card.settings
    command = [
        "generator", "train", crops.manifest_uri, "--label", kind, "--name", name, "--store", store.url,
        "--init", card.initial_model, "--with-mask", "--kimg", f"{kimg:g}", "--seed", str(seed),
        "--snapshot-kimg", f"{kimg / SNAPSHOTS:g}", "--batch", str(settings.batch), "--gamma", f"{settings.r1_gamma:g}",
        "--learning-rate", f"{settings.learning_rate:g}", "--lecam-weight", f"{weight:g}",
        *(["--mirror-x"] if settings.mirror_x else []), *(["--mirror-y"] if settings.mirror_y else []),
    ]  # fmt: skip
    subprocess.run([sys.executable, "-m", "orchestrator.cli.main", *command], check=True)
    lines = store.get(f"models/generator/{name}/1/metrics.jsonl").splitlines()
    return [line for line in map(json.loads, lines) if "kid" in line]


def _later(history: Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
    return history[len(history) // 2 :]


def _row(weight: str, seed: str, history: Sequence[dict[str, Any]], *, later: bool = False) -> list[str]:
    """A training's last snapshot, or the mean of all that are given."""
    lines = history if later else history[-1:]
    return [weight, seed, *(f"{mean(line[name] for line in lines):.3g}" for name in FIGURES)]


if __name__ == "__main__":
    main()
