"""Does training on synthetic images move the heat onto the defect? `python -m bench.heat_arms --store URL --run NAME`.

Every cycle's network of a finished run's first arm, and of its first arm on synthetic images, explains the same masked
test images. Two sources of chance are kept apart, as where the report compares arms: the cycles' seeds, and the choice
of test parts.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.bootstrap import over_parts
from bench.record import record
from bench.results import percent
from defectory.datasets.manifest import read_manifest
from defectory.datasets.manifest_line import ManifestLine
from defectory.errors import FailedPrecondition
from defectory.job_settings.explaining import DEFAULT_METHOD, FEWEST_CELLS
from defectory.statistics import DIFFERENCE, SHARE
from defectory.storage import open_store
from defectory.storage.store import ObjectStore
from orchestrator.pipeline.arms import ArmSettings
from orchestrator.pipeline.outputs import INGEST, Key, Read, trained
from orchestrator.pipeline.run_record import RunRecord
from orchestrator.pipeline.summary import Estimate
from orchestrator.report.comparison import decide, interval
from orchestrator.report.heat import FEW, too_coarse
from services.classifier.bundle import load_weights
from services.explainer.explanation import Explainer
from services.explainer.localisation import Localisation, max_box_acc_v2
from services.explainer.methods import METHODS
from services.explainer.reading import readable_with_masks
from services.explainer.scoring import masked_lines, score

COLUMNS = ("arm", "hottest point on the defect", "heat on the defect", "MaxBoxAccV2", "images without heat")
INSIDE = 1  # of a row's figures, the one that the sentence is about


@dataclass(frozen=True)
class Arm:
    """One arm's networks on the same images.

    Attributes:
        title: as the report calls it.
        cycles: seed -> each image's score, in one order for all cycles and both arms.
        cells: (h, w) of a heatmap before it is enlarged.
    """

    title: str
    model: str
    cycles: dict[int, list[Localisation]]
    cells: tuple[int, int]
    input_px: int


@dataclass(frozen=True)
class Moved:
    """What the table says; a figure a column each, in [0, 1]: see `figures`.

    Attributes:
        titles: of the arms. arms: one row an arm, means over cycles.
        chance: what even heat gives; None where nobody knows.
        over_cycles: second arm less the first, paired by seed. over_parts: the same, test parts drawn anew.
    """

    titles: list[str]
    arms: list[list[Estimate]]
    chance: list[float | None]
    over_cycles: list[Estimate]
    over_parts: list[Estimate]
    pairs: int
    images: int
    parts: int
    cells: tuple[int, int]

    @property
    def sentence(self) -> str:
        """Whether the heat moved, for a person."""
        if np.prod(self.cells) < FEWEST_CELLS:
            return too_coarse(self.cells)
        parts = self.over_parts[INSIDE]
        span = f"{_points(parts.mean)} points of the heat; 95% interval over {self.pairs} pairs of cycles "
        span += (
            f"{_span(self.over_cycles[INSIDE])}, over the parts that {self.images} masked images show {_span(parts)}"
        )
        outcome = decide(self.over_cycles[INSIDE], parts) if self.images >= FEW else "cannot tell"
        said = {
            "helped": "Training on synthetic images moved the heat onto the defect",
            "hurt": "Training on synthetic images moved the heat off the defect",
            "no difference": "Training on synthetic images left the heat where it was, within two points",
            "cannot tell": "This data cannot tell whether training on synthetic images moves the heat onto the defect",
        }
        return f"{said[outcome]} ({span})."


def read_arms(store: ObjectStore, run: str, method: str) -> tuple[list[Arm], list[str]]:
    """Two arms of a run (see `arms_of`) and the part that each masked test image shows.

    Raises:
        NotFound: no such run. FailedPrecondition: an arm has not finished, or no test image has a mask.
    """
    recorded = RunRecord(store, run)

    def finished(key: Key[Read]) -> Read:
        record = recorded.step(key)
        if record is None:
            raise FailedPrecondition(
                f"run {run!r} has not finished its step {key.step!r}; `defectory run` goes on with it"
            )
        return record.outputs

    compared = arms_of(recorded)
    models = [finished(trained(arm.name)).full_name for arm in compared]
    lines = masked_lines(read_manifest(store, finished(INGEST).manifest_uri), "test")
    read = Explainer(store, models[0], method).read
    masked = [line for line, _, _ in readable_with_masks(store, lines, read)]
    if not masked:
        raise FailedPrecondition(
            f"no test image of run {run!r} has a mask; ingest keeps those of ground_truth/<kind>/<name>_mask.png"
        )
    arms = [score_cycles(store, arm.shown, model, masked, method) for arm, model in zip(compared, models, strict=True)]
    return arms, [line.part for line in masked]


def arms_of(recorded: RunRecord) -> list[ArmSettings]:
    """A run's first arm, and its first one on synthetic images.

    Raises:
        FailedPrecondition: it has none of those.
    """
    arms = recorded.pipeline().arms
    synthetic = [arm for arm in arms if arm.takes_synthetic]
    if not synthetic:
        raise FailedPrecondition(f"no arm of run {recorded.name!r} trains on synthetic images")
    return [arms[0], synthetic[0]]


def score_cycles(store: ObjectStore, title: str, model: str, masked: Sequence[ManifestLine], method: str) -> Arm:
    """Explain the images with the network of every cycle that the model's version keeps."""
    explainer = Explainer(store, model, method)
    cycles = {}
    for cycle in explainer.card.cycles:
        data = store.get(explainer.card.prefix + cycle.weights.file)
        load_weights(explainer.network, data, cycle.weights, cycle.weights.file)  # its graph reads these variables
        scores = score(store, explainer, masked)
        cycles[cycle.seed] = [scores[line.file.sha256] for line in masked]
    return Arm(title, explainer.card.full_name, cycles, explainer.cells, explainer.card.architecture.input_px)


def compare_heat(first: Arm, second: Arm, groups: Sequence[str]) -> Moved:
    """Compare two arms on the same images.

    Args:
        groups: the part that each image shows; photographs of one part are not independent.

    Raises:
        FailedPrecondition: no cycle of one arm started from the seed of one of the other's.
    """
    seeds = sorted(first.cycles.keys() & second.cycles.keys())
    if not seeds:
        raise FailedPrecondition(f"{first.model} and {second.model} share no cycle's seed: nothing can be paired")

    def differences(images: np.ndarray | None = None) -> np.ndarray:
        return figures(second, seeds, images) - figures(first, seeds, images)

    some = first.cycles[seeds[0]]
    return Moved(
        titles=[first.title, second.title],
        arms=[[interval(column, SHARE) for column in figures(arm, sorted(arm.cycles)).T] for arm in (first, second)],
        chance=[float(np.mean([x.chance for x in some])), float(np.mean([x.area for x in some])), None, None],
        over_cycles=[interval(column, DIFFERENCE) for column in differences().T],
        over_parts=over_parts(groups, lambda images: differences(images).mean(axis=0)),
        pairs=len(seeds),
        images=len(groups),
        parts=len(set(groups)),
        cells=first.cells,
    )


def figures(arm: Arm, seeds: Sequence[int], images: np.ndarray | None = None) -> np.ndarray:
    """(cycles, 4): pointing game, share of the heat, MaxBoxAccV2, images without heat.

    Args:
        images: places in the arm's list, possibly repeated; None: all.
    """
    rows = []
    for seed in seeds:
        localisations = arm.cycles[seed] if images is None else [arm.cycles[seed][i] for i in images]
        pointing, inside = np.mean([x.hit for x in localisations]), np.mean([x.inside for x in localisations])
        rows.append(
            [pointing, inside, max_box_acc_v2(localisations)["mean"], np.mean([x.empty for x in localisations])]
        )
    return np.array(rows)


def table(moved: Moved) -> list[list[str]]:
    """The rows of the table, in percent; differences in points."""
    rows = [[name, *map(percent, row)] for name, row in zip(moved.titles, moved.arms, strict=True)]
    rows.append(["chance", *("–" if share is None else f"{share * 100:.1f}" for share in moved.chance)])
    for name, row in (
        (f"difference over {moved.pairs} cycles, paired", moved.over_cycles),
        (f"difference over {moved.parts} test parts, bootstrap", moved.over_parts),
    ):
        rows.append([name, *(f"{_points(one.mean)} ({_span(one)})" for one in row)])
    return rows


def _points(share: float | None) -> str:
    return "–" if share is None else f"{share * 100:+.1f}"


def _span(estimate: Estimate) -> str:
    return "none, of so few cycles" if estimate.low is None else f"{_points(estimate.low)} to {_points(estimate.high)}"


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--store", required=True, help="where the run lies: file:///folder or s3://bucket/prefix")
    parser.add_argument("--run", required=True, help="a finished run of the line, on images with masks")
    parser.add_argument("--method", choices=METHODS, default=DEFAULT_METHOD)
    parser.add_argument("--command", default="defectory run", help="what made the run, as the page names it")
    parser.add_argument("--no-record", action="store_true", help="only print")
    given = parser.parse_args()
    arms, groups = read_arms(open_store(given.store), given.run, given.method)
    moved = compare_heat(*arms, groups)
    rows = table(moved)
    for row in (COLUMNS, *rows, [moved.sentence]):
        sys.stdout.write(" | ".join(row) + "\n")
    if not given.no_record:
        command = f"{given.command}; python -m bench.heat_arms --store URL --run {given.run}"
        notes = f"{moved.sentence}\n\n{_conditions(moved, arms, given.method)}"
        title = f"Heat of both arms: {given.run}, {arms[0].input_px} px"
        record(title, command, COLUMNS, rows, notes, packages=("tensorflow", "keras"))


def _conditions(moved: Moved, arms: Sequence[Arm], method: str) -> str:
    height, width = moved.cells
    cycles = " and ".join(str(len(arm.cycles)) for arm in arms)
    return (
        f"In percent, means over all {cycles} cycles of the arms with 95% intervals by Student's t. {method} for the "
        f"true label, {height}×{width} cells at {arms[0].input_px} px, on {moved.images} masked test images of "
        f"{moved.parts} parts. Chance: the share of pixels near the defect (the pointing game's tolerance), and on it. "
        "Where nothing spoke for the label there is no heat, and none of it lies on the defect."
    )


if __name__ == "__main__":
    main()
