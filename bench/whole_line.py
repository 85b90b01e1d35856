"""The whole line beside an earlier checkout: `python -m bench.whole_line --before CHECKOUT --photographs FOLDER`.

`demo` is what `make demo` runs once everything is installed. What that is has changed, so both checkouts draw and run
what this one's does, each by its own preset of that name. `photographs` is the preset quick on some of a folder of real
ones, an MVTec AD category, with generators that are shown as much in both. Both take DEFECTORY_WEIGHTS, which an
earlier checkout cannot do without. The stores stay in `--folder`, for `python -m bench.small_operations`.
"""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from bench.record import record
from bench.turns import COLUMNS, NOTES, Taken, in_turns, row, run, trees

GOOD, DEFECT = 216, 100  # of the photographs
KIMG = 8
CABLES = (
    "--good", "240", "--defect", "120", "--seed", "0", "--size", "128",
    "--kind", "cable_swap", "--kind", "missing_cable",
)  # fmt: skip
DEFECTORY = ("-m", "orchestrator.cli.main")


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, required=True, help="checkout to compare with")
    parser.add_argument("--photographs", type=Path, help="an MVTec AD category; absent: the demo alone")
    parser.add_argument("--folder", type=Path, help="where the stores stay; absent: they go")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--no-record", action="store_true", help="only print")
    asked = parser.parse_args()
    both, rows = trees(asked.before), []
    with tempfile.TemporaryDirectory() as scratch:
        folder = (asked.folder or Path(scratch)).resolve()
        drawn, chosen = folder / "cables", folder / "photographs"
        if not drawn.exists():
            run(both["now"], [*DEFECTORY, "cables", str(drawn), *CABLES])
        lines = {"demo": ["preset: demo", "name: demo", f"data: {{directory: {drawn}}}"]}
        if asked.photographs:
            choose(asked.photographs, chosen)
            lines["photographs"] = [
                "preset: quick", "name: photographs", f"data: {{directory: {chosen}}}", f"generator: {{kimg: {KIMG}}}",
            ]  # fmt: skip
        for name, text in lines.items():
            pipeline = folder / f"{name}.yaml"
            pipeline.write_text("\n".join(text) + "\n")

            def work(which: str, tree: Path, number: int, of: Path = pipeline) -> Taken:
                store = folder / f"{of.stem}-{which}-{number}"
                shutil.rmtree(store, ignore_errors=True)
                return run(tree, [*DEFECTORY, "run", str(of), "--store", store.as_uri()])

            rows.append(row(_said(name), in_turns(both, asked.rounds, work)))
    if asked.no_record:
        sys.stdout.write("\n".join(" | ".join(cells) for cells in (COLUMNS, *rows)) + "\n")
    else:
        command = "python -m bench.whole_line --before CHECKOUT --photographs FOLDER"
        notes = f"{NOTES} {asked.rounds} round{'s' * (asked.rounds > 1)} on {os.cpu_count()} cores."
        packages = ("numpy", "torch", "tensorflow-cpu")
        sys.stdout.write(record("The whole line beside an earlier checkout", command, COLUMNS, rows, notes, packages))


def _said(name: str) -> str:
    if name == "demo":
        return "`make demo`'s pictures, preset demo"
    return f"{GOOD + DEFECT} photographs ({DEFECT} of defects), preset quick, kimg {KIMG}"


def choose(category: Path, to: Path) -> None:
    """Link photographs and masks of a category, evenly spread over each of its folders' names."""
    good = sorted(category.glob("*/good/*"))
    bad = sorted(path for path in category.glob("test/*/*") if path.parent.name != "good")
    for paths, count in ((good, GOOD), (bad, DEFECT)):
        for path in (paths[number * len(paths) // count] for number in range(count)):
            for file in (path, *([mask] if (mask := _mask(category, path)) else [])):
                place = to / file.relative_to(category)
                place.parent.mkdir(parents=True, exist_ok=True)
                if not place.exists():
                    place.symlink_to(file.resolve())


def _mask(category: Path, path: Path) -> Path | None:
    masks = category.joinpath("ground_truth", path.parent.name).glob(f"{path.stem}*")
    return next(masks, None)


if __name__ == "__main__":
    main()
