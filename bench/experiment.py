"""An experiment beside as many trainings one by one: `python -m bench.experiment --photographs FOLDER --groups TABLE`.

Twelve arms without a generator, on a frozen base, over folds and seeds, by `defectory experiment`. Beside it
`defectory classifier train`, which whoever compares by hand calls once for every arm, fold and seed: a few calls are
measured, each on a store that keeps no features yet, for the plainest arm, and all are taken to last as long. Memory is
that of all processes together, the orchestrator and the services.
`--arms 3 --folds 3 --seeds 1 --epochs 5 --few 2` shows within minutes that it works.
"""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from bench.record import record
from bench.together import Together
from bench.turns import HERE, run

ARMS = (
    "real", "augmented", "more-real", "memory", "edited", "balanced", "edited-75", "procedural", "edited-90",
    "more-real-10", "more-real-20", "more-real-40",
)  # fmt: skip
DEFECTORY = ("-m", "orchestrator.cli.main")
COLUMNS = ("work", "classifiers", "minutes", "peak MiB")


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", type=Path, required=True, help="an MVTec AD category, e.g. the magnetic tiles")
    parser.add_argument("--groups", type=Path, help="table of the part that each photograph shows")
    parser.add_argument(
        "--arms", type=int, default=len(ARMS), choices=range(3, len(ARMS) + 1), help="the first so many"
    )
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--few", type=int, default=5, help="photographs a kind, and twenty times as many good ones")
    parser.add_argument("--edits", type=int, default=160, help="edited pictures a fold")
    parser.add_argument("--epochs", type=int, help="of every classifier; absent: the recipe's")
    parser.add_argument("--input-px", type=int, default=224)
    parser.add_argument("--calls", type=int, default=2, help="calls of `classifier train` that are measured; 0: none")
    parser.add_argument("--record", action="store_true", help="write the table into docs/benchmarks.md too")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        rows = measured(asked, Path(scratch))
    if asked.record:
        notes = (
            f"{asked.arms} arms ({', '.join(ARMS[: asked.arms])}) × {asked.folds} folds × {asked.seeds} seeds at "
            f"{asked.input_px} px, frozen base, {os.cpu_count()} cores. The experiment with ingest, edits, evaluations "
            f"on validation and test, and report. One by one: the median of {asked.calls} calls on the training "
            "photographs of a split, not augmented, times the number of classifiers, of which memory trains none. "
            "Nothing is evaluated. Peak: of all processes together, what they share counted once."
        )
        command = "python -m bench.experiment --photographs FOLDER --groups TABLE --record"
        packages = ("numpy", "tensorflow-cpu", "onnxruntime")
        record("An experiment beside trainings one by one", command, COLUMNS, rows, notes, packages)
    sys.stdout.write("\n".join(" | ".join(row) for row in (COLUMNS, *rows)) + "\n")


def measured(asked: argparse.Namespace, folder: Path) -> list[list[str]]:
    """A row of the experiment, and of trainings one by one where calls are asked for."""
    trained = [arm for arm in ARMS[: asked.arms] if arm != "memory"]  # which is only looked at
    classifiers = len(trained) * asked.folds * asked.seeds
    whole = _measure("experiment", str(spec_of(asked, folder)), "--store", (folder / "store").as_uri())
    rows = [_row("experiment", classifiers, whole)]
    if calls := one_by_one(asked, folder):
        seconds = classifiers * statistics.median(call.seconds for call in calls)
        alone = Whole(seconds, max(call.peak_mib for call in calls))
        rows.append(_row("`classifier train` one by one", classifiers, alone))
        rows.append(["ratio", "", f"{whole.seconds / seconds:.3f}", f"{whole.peak_mib / alone.peak_mib:.2f}"])
    return rows


@dataclass(frozen=True)
class Whole:
    """What a command took: seconds, and the peak of all its processes together in MiB."""

    seconds: float
    peak_mib: float


def _measure(*arguments: str) -> Whole:
    with Together() as memory:
        taken = run(HERE, [*DEFECTORY, *arguments])
    return Whole(taken.seconds, memory.peak_mib)


def spec_of(asked: argparse.Namespace, folder: Path) -> Path:
    """The experiment's spec, written to a file."""
    classifier = {"input_px": asked.input_px, "trainable_base": "none", **_epochs(asked.epochs)}
    groups = {"groups": str(asked.groups.resolve())} if asked.groups else {}
    spec = {
        "name": "bench", "folds": asked.folds, "seeds": asked.seeds, "arms": list(ARMS[: asked.arms]),
        "data": {"directory": str(asked.photographs.resolve()), **groups},
        "few_shot": {"per_kind": asked.few, "good": 20 * asked.few},
        "edits": {"count": asked.edits}, "classifier": classifier,
    }  # fmt: skip
    file = folder / "bench.yaml"
    file.write_text(yaml.safe_dump(spec))
    return file


def _epochs(epochs: int | None) -> dict[str, int]:
    return {"epochs": epochs} if epochs else {}


def one_by_one(asked: argparse.Namespace, folder: Path) -> Sequence[Whole]:
    """What calls of `classifier train` take, each on a store that has the photographs and no features of them."""
    if not asked.calls:
        return []
    ingested = folder / "ingested"
    groups = ["--groups", str(asked.groups.resolve())] if asked.groups else []
    ingest = ["ingest", str(asked.photographs.resolve()), "--name", "tiles", *groups, "--store", ingested.as_uri()]
    run(HERE, [*DEFECTORY, *ingest])
    epochs = ["--epochs", str(asked.epochs)] if asked.epochs else []
    calls = []
    for number in range(asked.calls):
        shutil.rmtree(ingested / "features", ignore_errors=True)  # that the call before has left
        train = ["classifier", "train", "tiles", "--name", f"one-{number}", "--cycles", "1", "--seed", str(number)]
        train += [*epochs, "--trainable-base", "none", "--input", str(asked.input_px), "--patience", "0"]
        calls.append(_measure(*train, "--store", ingested.as_uri()))
    return calls


def _row(work: str, classifiers: int, whole: Whole) -> list[str]:
    return [work, str(classifiers), f"{whole.seconds / 60:.1f}", f"{whole.peak_mib:.0f}"]


if __name__ == "__main__":
    main()
