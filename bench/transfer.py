"""What the starter generator saves: `python -m bench.transfer PHOTOS --kimg 100 --folder build/transfer`.

Trains two generators on the good parts of a folder of photographs through the command line, in a store of their own:
one from the starter, one from nothing, all else the same. Both are measured on validation images at every snapshot.
Writes docs/results/tiles_from_starter.md with KID against kimg and the sheets. The same command again goes on where it
was stopped; with --report it writes what there is and trains nothing.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from bench.record import where
from defectory.api.generator.v1 import generator_pb2
from defectory.datasets.manifest import read_manifest
from defectory.serving.operations.record import State, list_operations, read_progress, read_record, unpack_any
from defectory.storage import open_store
from defectory.storage.store import ObjectStore
from orchestrator.report.figures import sheet

RESULTS = Path(__file__).parents[1] / "docs/results"
PAGE = "tiles_from_starter"
DATASET, LABEL = "tiles", "good"
RUNS: Mapping[str, str] = {"from the starter": "starter", "from nothing": "none"}  # title -> initial model
COLUMNS = 8  # of the sheet of real images
GOALS = (2, 1, 0.5, 0.25)  # values of KID
COLOURS: Mapping[str, str] = {"from the starter": "#0b6bcb", "from nothing": "#8a5a00"}


def train_both(photos: Path, store_url: str, settings: Sequence[str]) -> None:
    """Ingest, then train one after the other; what is finished is not done again."""
    if not open_store(store_url).exists(f"datasets/{DATASET}/dataset.json"):
        _defectory(["ingest", str(photos), "--name", DATASET, "--store", store_url])
    for initial in RUNS.values():
        command = ["generator", "train", DATASET, "--label", LABEL, "--name", _model(initial), "--store", store_url]
        _defectory([*command, "--init", initial, *settings])


def read_history(store: ObjectStore, initial: str) -> list[dict[str, Any]]:
    """What was measured at each snapshot so far; empty before the first."""
    key = f"models/generator/{_model(initial)}/1/metrics.jsonl"
    if not store.exists(key):
        return []
    return [line for line in map(json.loads, store.get(key).splitlines()) if "kid" in line]


def write_results(store: ObjectStore, kimg: float) -> Path:
    """Write the page and its pictures, and return the page's path."""
    command = f"python -m bench.transfer PHOTOS --kimg {kimg:g}"
    pictures = RESULTS / PAGE
    pictures.mkdir(parents=True, exist_ok=True)
    histories = {title: read_history(store, initial) for title, initial in RUNS.items()}
    draw_curve(histories, pictures / "kid.svg")
    sections = [
        "# Magnetic tiles, from the starter and from nothing",
        f"Written by `{command}` ({where(('torch', 'numpy'))}): good tiles at 64 px, one seed, settings alike.",
        f"![KID against kimg, the band is the middle 95% of subsets]({PAGE}/kid.svg)",
        table(histories),
        saved(histories, kimg),
        _real(store, pictures),
        *(_shipped(store, title, pictures) for title in RUNS),
    ]
    page = RESULTS / f"{PAGE}.md"
    page.write_text("\n\n".join(sections) + "\n")
    return page


def draw_curve(histories: Mapping[str, Sequence[Mapping[str, Any]]], target: Path) -> None:
    """KID with its interval against kimg, as an SVG file; the axis is linear up to 1 and logarithmic above."""
    figure = Figure(figsize=(7.5, 4), layout="constrained")
    FigureCanvasSVG(figure)
    axis = figure.subplots()
    for title, history in histories.items():
        kimg = [line["kimg"] for line in history]
        axis.plot(kimg, [line["kid"] for line in history], marker="o", ms=3, label=title, color=COLOURS[title])
        low, high = ([line[name] for line in history] for name in ("kid_low", "kid_high"))
        axis.fill_between(kimg, low, high, alpha=0.2, linewidth=0, color=COLOURS[title])
    axis.set(xlabel="kimg", ylabel="KID on held-out images")
    axis.set_yscale("symlog", linthresh=1)
    axis.set_xlim(left=0)
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False)
    with mpl.rc_context({"svg.hashsalt": PAGE}):  # the same figures give the same file
        figure.savefig(target, format="svg", metadata={"Date": None})


def table(histories: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """KID with its interval, and coverage, a snapshot a row."""
    rows = {title: {line["kimg"]: line for line in history} for title, history in histories.items()}
    lines = [
        "| kimg | " + " | ".join(f"KID {title} | coverage" for title in rows) + " |",
        "|---" * (1 + 2 * len(rows)) + "|",
    ]
    for kimg in sorted({kimg for history in rows.values() for kimg in history}):
        cells = [_cells(history.get(kimg)) for history in rows.values()]
        lines.append(f"| {kimg:g} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n\nKID with the middle 95% of subsets, on the descriptor of docs/generator.md."


def saved(histories: Mapping[str, Sequence[Mapping[str, Any]]], kimg: float) -> str:
    """When each first has a KID; nothing is said before both have been trained to the end."""
    ends = {title: history[-1]["kimg"] if history else 0 for title, history in histories.items()}
    if min(ends.values()) < kimg:
        so_far = ", ".join(f"{title} at {end:g}" for title, end in ends.items())
        return f"Not to be compared yet: {so_far} of {kimg:g} kimg."
    lines = ["| KID at most | " + " | ".join(f"kimg {title}" for title in histories) + " |", "|---" * 3 + "|"]
    for goal in GOALS:
        first = [
            next((line["kimg"] for line in history if line["kid"] <= goal), None) for history in histories.values()
        ]
        lines.append(f"| {goal:g} | " + " | ".join("not reached" if at is None else f"{at:g}" for at in first) + " |")
    return "\n".join(lines) + "\n\nOne training of each: where the bands overlap, the order of the two may be chance."


def _cells(line: Mapping[str, Any] | None) -> str:
    if line is None:
        return " | "
    return f"{line['kid']:.3g} ({line['kid_low']:.3g} to {line['kid_high']:.3g}) | {line['coverage']:.2f}"


def _real(store: ObjectStore, pictures: Path) -> str:
    """Real tiles, as the generators see them."""
    lines = read_manifest(store, store.uri(f"datasets/{DATASET}/manifest.jsonl"))
    shown = [line for line in lines if line.label == LABEL and line.split == "train"][: 4 * COLUMNS]
    (pictures / "real.png").write_bytes(sheet([store.get(store.key(line.file.uri)) for line in shown], COLUMNS))
    return f"## Real\n\n![thirty-two real tiles]({PAGE}/real.png)"


def _shipped(store: ObjectStore, title: str, pictures: Path) -> str:
    """The sheet of a run's model, or of its latest snapshot while it trains."""
    model = _model(RUNS[title])
    prefix = f"models/generator/{model}/1/"
    card: dict[str, Any] = json.loads(store.get(f"{prefix}model.json")) if store.exists(f"{prefix}model.json") else {}
    sheets = [info.key for info in store.list(f"{prefix}samples/")]
    key = card.get("sample_key") or (sheets[-1] if sheets else "")
    if not key:
        return f"## {title[0].upper()}{title[1:]}\n\nNo snapshot yet."
    (pictures / f"{model}.png").write_bytes(store.get(key))
    kimg = int(Path(key).stem) / 1000
    state = f"{kimg:g} kimg: {card['shipped_reason']}." if card else f"{kimg:g} kimg, still training."
    state += _duration(store, model)
    return f"## {title[0].upper()}{title[1:]}\n\n{state}\n\n![thirty-two synthetic tiles]({PAGE}/{model}.png)"


def _duration(store: ObjectStore, model: str) -> str:
    """How long a finished training took, from the call that began it to its last report, with all that it waited."""
    for names in list_operations(store, "generator"):
        record, progress = read_record(store, *names), read_progress(store, *names)
        request = generator_pb2.TrainGeneratorRequest()
        if unpack_any(record.request).Unpack(request) and request.name == model and progress:
            minutes = (progress.updated - record.created).total_seconds() / 60
            done = "From start to end" if record.state is State.SUCCEEDED else "So far"
            return f" {done} {minutes:.0f} minutes on {os.cpu_count()} cores, judging and pauses included."
    return ""


def _model(initial: str) -> str:
    return f"tiles-from-{'nothing' if initial == 'none' else initial}"


def _defectory(arguments: Sequence[str]) -> None:
    subprocess.run([sys.executable, "-m", "orchestrator.cli.main", *arguments], check=True)


def main() -> None:
    """Train and write what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, help="folder with good parts, as `defectory ingest` takes it")
    parser.add_argument("--folder", type=Path, default=Path("build/transfer"), help="of the store and its logs")
    parser.add_argument("--kimg", type=float, default=100)
    parser.add_argument("--snapshot-kimg", type=float, default=0, help="0: kimg / 20")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--report", action="store_true", help="write what there is, train nothing")
    parser.add_argument("--fresh", action="store_true", help="remove the folder first")
    given = parser.parse_args()
    if given.fresh:
        shutil.rmtree(given.folder, ignore_errors=True)
    store_url = (given.folder.absolute() / "store").as_uri()
    settings = ["--kimg", f"{given.kimg:g}", "--snapshot-kimg", f"{given.snapshot_kimg or given.kimg / 20:g}"]
    settings += ["--batch", str(given.batch), "--learning-rate", "0.003", "--gamma", "1", "--mirror-x"]
    settings += ["--channel-base", "1024"]  # the starter's
    if not given.report:
        train_both(given.photos, store_url, settings)
    page = write_results(open_store(store_url), given.kimg)
    print(page)  # noqa: T201 - a script's answer


if __name__ == "__main__":
    main()
