"""`defectory dataset`: what is in the store, what two datasets differ in, and files for other tools."""

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from defectory.depth import FULL_DEPTH
from defectory.job_settings.choices import Origins
from defectory.storage import ObjectStore
from defectory.storage.places import path_or_uri
from orchestrator.cli.options import AsJson, Store, Verbose, dataset_uri, opened
from orchestrator.cli.output import emit, table
from orchestrator.cli.setting_options import choice
from orchestrator.cli.work import work

if TYPE_CHECKING:
    from defectory.datasets.manifest_line import ManifestLine

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Datasets: list, show, diff, groups, fold, export.")
Dataset = Annotated[
    str, typer.Argument(metavar="DATASET", help="Its name, or the URI of its manifest or of a document about it.")
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Its name.")]
SHOWN = ["name", "made", "images", "labels", "train", "validation", "test", "none", "layout"]
DECIDED = ["created_utc", "kind", "title", "by", "images", "replaces", "uri"]
EXAMPLES = 5  # images that a difference names in text


@app.command(name="list")
def list_(store: Store = "", as_json: AsJson = False) -> None:
    """List the datasets in the store, with their images by split.

    \b
    defectory dataset list --store s3://bucket/line
    """
    from defectory.datasets.listing import list_datasets
    from defectory.datasets.manifest import card_key
    from orchestrator.cli.runs import when

    store_ = opened(store)
    cards, broken = list_datasets(store_)
    for reason in broken:
        sys.stderr.write(f"left out: {reason}\n")
    for card in cards:
        written_at = store_.head(card_key(str(card["name"]))).modified
        card["made"] = written_at.isoformat(timespec="seconds") if written_at else ""
    rows = [
        {
            **card,
            **_by_split(card),
            "labels": ", ".join(card.get("labels", [])),
            "made": when(card["made"]) if card["made"] else "",
        }
        for card in cards
    ]
    none = f"there is no dataset in {path_or_uri(store_.url)}"
    emit({"datasets": cards}, as_json, table(rows, SHOWN) if rows else none)


@app.command()
def show(dataset: Dataset, store: Store = "", as_json: AsJson = False) -> None:
    """Show a dataset's card, and its images by split, label and origin.

    \b
    defectory dataset show screws --json
    """
    from defectory.datasets.manifest import read_card
    from defectory.datasets.parts import label_of_good, mixed_parts, parts_by_split
    from orchestrator.cli.dataset_in_words import Shown, in_words

    store_ = opened(store)
    lines = _lines(store_, dataset)
    card = {} if "://" in dataset else read_card(store_, dataset)
    origins = Counter(", ".join(filter(None, (line.origin.kind, line.judgement.verdict))) for line in lines)
    shown = {
        **card, "manifest_uri": dataset_uri(store_, dataset), "by_origin": dict(sorted(origins.items())),
        "parts": len({line.part for line in lines}), "parts_by_split": parts_by_split(lines),
        "mixed_parts": mixed_parts(lines, label_of_good(card)),
        "masks": sum(line.mask is not None for line in lines),
    }  # fmt: skip
    shown |= {"bits": _stored_bits(card)} if card else {}
    emit(shown, as_json, in_words(Shown.model_validate({**shown, "manifest": path_or_uri(shown["manifest_uri"])})))


@app.command()
def diff(first: Dataset, second: Dataset, store: Store = "", as_json: AsJson = False) -> None:
    """Say in what two datasets differ: images that only one has, and labels, splits, groups and verdicts that changed.

    \b
    defectory dataset diff screws screws-relabelled
    """
    from defectory.datasets.listing import changes, compare

    store_ = opened(store)
    differences = compare(_lines(store_, first), _lines(store_, second))
    changed = [{**_named(one), "changes": changes(one, other)} for one, other in differences.changed]
    result = {
        "same": differences.is_empty,
        f"only_in_{first}": [_named(line) for line in differences.only_first],
        f"only_in_{second}": [_named(line) for line in differences.only_second],
        "changed": changed,
    }
    parts = [f"{first} and {second} say the same of the same images"] if differences.is_empty else []
    for name, rows in result.items():
        if isinstance(rows, list) and rows:
            heads = [
                f"  {row['source'] or row['sha256'][:12]} ({row['label']}){_arrows(row)}" for row in rows[:EXAMPLES]
            ]
            more = [f"  … and {len(rows) - EXAMPLES} more (--json)"] if len(rows) > EXAMPLES else []
            parts += [f"{name.replace('_', ' ', 2)}: {len(rows)}", *heads, *more]
    emit(result, as_json, "\n".join(parts))


@app.command()
def groups(
    dataset: Dataset,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Draw them on a sheet, a .png file.")
    ] = None,
    most: Annotated[int, typer.Option("--most", min=1, max=500, help="Rows of the sheet.")] = 20,
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """Show which photographs were taken for one part, those first that are likeliest to be wrong.

    Photographs of one part stay in one split. Parts of several labels come first, then those with most photographs.
    Where photographs of different parts stand in a row, give the parts with `defectory ingest … --groups parts.csv`.

    \b
    defectory dataset groups screws --out groups.png
    """
    from defectory.datasets.manifest import read_card
    from defectory.datasets.parts import label_of_good, mixed_in_words, mixed_parts
    from orchestrator.cli.destinations import file_to_write, write_file
    from orchestrator.pipeline.group_sheet import group_sheet, groups_of

    out = file_to_write(out, f"{dataset}-groups.png") if out else None
    store_ = opened(store)
    lines = _lines(store_, dataset)
    card = {} if "://" in dataset else read_card(store_, dataset)
    by_group = groups_of(lines)
    mixed = mixed_parts(lines, label_of_good(card))
    said = mixed_in_words(mixed)
    if out is not None and by_group:
        write_file(out, group_sheet(store_, by_group, most, said))
    shown = [
        {"group": group.name, "photographs": [line.origin.source for line in group.photographs], "title": group.title}
        for group in by_group
    ]
    sheet = str(out) if out is not None and by_group else ""
    rows = [
        f"{group.title}\n  {', '.join(line.origin.source for line in group.photographs)}" for group in by_group[:most]
    ]
    head = [f"{len(by_group)} of {len({line.part for line in lines})} parts have several photographs:"]
    head = head if by_group else ["no part of it has several photographs, so there is nothing to draw"]
    left = [f"… and {len(by_group) - most} more (--most, --json)"] if len(by_group) > most else []
    drawn = [f"sheet: {sheet}"] if sheet else []
    warned = [f"! {said}"] if said else []
    emit(
        {"dataset": dataset, "groups": shown, "mixed_parts": mixed, "sheet": sheet},
        as_json,
        "\n".join([*head, *rows, *left, *warned, *drawn]),
    )


@app.command()
def export(
    dataset: Dataset,
    form: Annotated[str, typer.Option("--format", help="folders, mvtec, coco, datumaro, csv or yolo.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="A folder that is empty or not there.")],
    origin: Annotated[Origins, choice("--origin", Origins, "Which images; synthetic: edited ones, too.")] = "all",
    good: Annotated[str, typer.Option("--good", metavar="LABEL", help="Label of good parts.")] = "good",
    verbose: Verbose = False,
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """Write a dataset's images, masks and lineage for other tools. Rejected images are left out.

    \b
    defectory dataset export screws --format coco --out build/screws
    defectory dataset export photos.expanded --format folders --origin synthetic --out build/made
    """
    from defectory.datasets.exporting import export as export_dataset
    from orchestrator.cli.destinations import folder_to_write

    out = folder_to_write(out)
    store_ = opened(store)
    with work("export", str(out), verbose=verbose) as exporting:
        exported = export_dataset(
            store_, _lines(store_, dataset), form, out, origins=origin, good=good,
            report=exporting.counting("writing files", "files"),
        )  # fmt: skip
        for note in exported.notes:
            exporting.warn(note)
        exporting.came_of_it = f"{exported.images} images, {exported.masks} masks"
    result = {
        "dataset": dataset, "format": form, "out": str(out), "images": exported.images, "masks": exported.masks,
        "rejected_left_out": exported.rejected, "notes": list(exported.notes),
    }  # fmt: skip
    emit(result, as_json)


@app.command()
def fold(
    name: Name,
    folds: Annotated[int, typer.Option("--folds", metavar="N", help="How many, 3 to 50.")] = 5,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Of the order among parts of one size.")] = 0,
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """Divide a dataset into folds: every part is tested in one of them. Images are not stored again.

    Each fold is a small document, whose URI can stand wherever a manifest's can.

    \b
    defectory dataset fold screws --folds 5 --seed 1
    defectory dataset show file:///srv/store/datasets/screws/decisions/000001.json
    """
    from defectory.datasets.folds import write_folds

    store_ = opened(store)
    uris = write_folds(store_, name, _lines(store_, name), folds, seed)
    emit({"dataset": name, "seed": seed, "folds": uris}, as_json, "\n".join(uris))


@app.command()
def decisions(name: Name, store: Store = "", as_json: AsJson = False) -> None:
    """List what was decided about a dataset's images: splits, labels, verdicts and reviews, by whom and when.

    \b
    defectory dataset decisions screws
    """
    from defectory.datasets.decisions import list_decisions
    from defectory.datasets.manifest import read_card

    store_ = opened(store)
    read_card(store_, name)
    rows = [
        {**document.model_dump(mode="json", exclude={"values"}), "images": len(document.values), "uri": uri}
        for uri, document in list_decisions(store_, name)
    ]
    emit(
        {"decisions": rows},
        as_json,
        table(rows, DECIDED) if rows else f"nothing is decided about {name} beside its manifest",
    )


def _lines(store: ObjectStore, dataset: str) -> "Sequence[ManifestLine]":
    from defectory.datasets.manifest import read_manifest
    from defectory.settings import reading_from_environment

    return read_manifest(store, dataset_uri(store, dataset), reading_from_environment())


def _by_split(card: dict[str, Any]) -> dict[str, int]:
    return {split: sum(labels.values()) for split, labels in card.get("counts", {}).items()}


def _stored_bits(card: Mapping[str, object]) -> int | None:
    """Bits of a value as pictures are stored: those that files of 16 bits use, else 8; None where a card of before
    does not say.

    A card's own are those that files of 16 bits are read with, also where there are none.
    """
    match card:
        case {"bits": int(bits), "deep": int(deep)}:
            return bits if deep else 8
        case {"bits": int(bits)} if bits < FULL_DEPTH:
            return bits
    return None


def _named(line: "ManifestLine") -> dict[str, Any]:
    return {"sha256": line.file.sha256, "source": line.origin.source, "label": line.label, "split": line.split}


def _arrows(row: dict[str, Any]) -> str:
    return "".join(f"; {field}: {old or '–'} → {new or '–'}" for field, (old, new) in row.get("changes", {}).items())
