"""Writes docs/results/NAME.md from a finished run: `python -m bench.results RUN --store URL [--tiles tiles.csv]`.

Every figure is read from the run's files in the store. The pictures lie beside the page, in docs/results/NAME/.
"""

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from defectory.storage import open_store
from defectory.storage.store import ObjectStore
from orchestrator.pipeline.arms import colours
from orchestrator.pipeline.outputs import GENERATORS
from orchestrator.pipeline.summary import Estimate
from orchestrator.report.charts import svg
from orchestrator.report.content import RunContent, read_run, some_images
from orchestrator.report.figures import curves, sheet
from orchestrator.report.lineage import REASONS

RESULTS = Path(__file__).parents[1] / "docs/results"
METRICS = ("f1", "accuracy", "precision", "recall")


def write_results(store: ObjectStore, run: str, folder: Path, tiles: Path | None, command: str) -> Path:
    """Write the page and its pictures, and return the page's path."""
    content = read_run(store, run)
    name = run.replace("-", "_")
    pictures = folder / name
    pictures.mkdir(parents=True, exist_ok=True)
    sections = [
        f"# {run}\n\nWritten by `python -m bench.results {run}` from the files of the run that `{command}` made.",
        *content.verdict.doubts,
        f"**{content.verdict.sentence}**",
        " ".join(content.verdict.details),
        _table(content),
        _test_set(content, tiles),
        _counts(content),
        "## While they trained\n\n" + "\n\n".join(_curves(content, pictures)),
        "## Images\n\n" + "\n\n".join(_sheets(store, content, pictures)),
    ]
    page = folder / f"{name}.md"
    page.write_text("\n\n".join(sections) + "\n")
    return page


def _table(content: RunContent) -> str:
    comparison = content.comparison
    arms, differences = comparison.arms, comparison.differences.values()
    rows = [["on the test set", *arms], ["---"] * (len(arms) + 1)]
    rows += [[metric, *(percent(arm[metric]) for arm in arms.values())] for metric in METRICS]
    over_cycles = [percent(difference.over_cycles) for difference in differences]
    rows.append([f"difference in F1 over {comparison.cycles} cycles, paired", "", *over_cycles])
    by_group = [percent(difference.by_group) for difference in differences]
    rows.append(["difference in F1 over independent parts, bootstrap", "", *by_group])
    rows.append(["recipe", *content.recipes.values()])
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(lines) + "\n\nMeans over cycles with 95% intervals, in percent. The epoch is chosen on validation."


def _test_set(content: RunContent, tiles: Path | None) -> str:
    test = [line for line in content.real if line.split == "test"]
    text = (
        f"The test set holds {content.comparison.test_images} photographs in {content.comparison.test_groups} groups "
        "that were found to show one part each."
    )
    if tiles is None:
        return text
    with tiles.open(newline="") as file:
        tile = {row["image"]: row["tile"] for row in csv.DictReader(file)}
    shown = {
        split: {_tile(tile, x.origin.source) for x in content.real if x.split == split} for split in ("train", "test")
    }
    leaked = sum(_tile(tile, line.origin.source) in shown["train"] for line in test)
    return (
        f"{text} By the list of tiles, which the split did not see, they show {len(shown['test'])} tiles; "
        f"{leaked} of the photographs ({leaked / max(1, len(test)):.1%}) show a tile that is also in training."
    )


def _tile(tiles: dict[str, str], source: str) -> str:
    return tiles.get(source) or tiles.get(PurePosixPath(source).name) or source


def _counts(content: RunContent) -> str:
    counts, labels = content.ingested.counts, content.ingested.labels
    rows = [
        "## From photographs to training images",
        "",
        "| | " + " | ".join(labels) + " |",
        "|---" * (len(labels) + 1) + "|",
    ]
    rows += [
        f"| real, {split} | " + " | ".join(str(counts.get(split, {}).get(x, 0)) for x in labels) + " |"
        for split in ("train", "validation", "test")
    ]
    reasons = content.reasons()
    for key in ("made", "accepted", *REASONS):
        name = {"made": "synthesised", "accepted": "accepted"}.get(key, f"rejected: {REASONS.get(key, '')}")
        rows.append(f"| {name} | " + " | ".join(str(reasons.get(x, {}).get(key, 0)) for x in labels) + " |")
    generators = content.outputs[GENERATORS].root if GENERATORS in content.outputs else {}
    for label, generator in generators.items():
        rows += ["", f"Generator of {label}: {generator.kimg:.1f} kimg, augmentation p {generator.augment_p:.2f}."]
    return "\n".join(rows)


def _curves(content: RunContent, pictures: Path) -> Iterator[str]:
    for split in content.splits():
        path = pictures / f"curves-{split}.svg"
        metrics = {arm.title: arm.metrics for arm in content.arms}
        path.write_bytes(svg(curves(metrics, colours(content.pipeline.arms), split).figure))
        yield f"![loss, accuracy and F1 per epoch, {split}]({pictures.name}/{path.name})"


def _sheets(store: ObjectStore, content: RunContent, pictures: Path) -> Iterator[str]:
    for label in content.ingested.labels:
        real = [x for x in content.real if x.label == label and x.split == "train"]
        judged = content.judged.get(label, [])
        for title, lines in (
            ("real", real),
            ("accepted", [x for x in judged if x.judgement.verdict == "accepted"]),
            ("rejected", [x for x in judged if x.judgement.verdict == "rejected"]),
        ):
            if lines:
                path = pictures / f"{label}-{title}.png"
                path.write_bytes(sheet([data for _, data in some_images(store, lines)], 12))
                yield f"{label}, {title} ({len(lines)}):\n\n![{label}, {title}]({pictures.name}/{path.name})"


def percent(estimate: Estimate) -> str:
    """Mean and 95% interval, in percent."""
    mean = f"{estimate.mean * 100:.1f}"
    if estimate.low is None or estimate.high is None:
        return mean
    return f"{mean} ({estimate.low * 100:.1f} to {estimate.high * 100:.1f})"


def main() -> None:
    """Write the page that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--store", required=True)
    parser.add_argument("--tiles", type=Path, help="CSV of image,tile: which photographs show one part, for counting")
    parser.add_argument("--command", default="defectory run", help="what made the run, as the page names it")
    arguments = parser.parse_args()
    page = write_results(open_store(arguments.store), arguments.run, RESULTS, arguments.tiles, arguments.command)
    print(page)  # noqa: T201 - a script's answer


if __name__ == "__main__":
    main()
