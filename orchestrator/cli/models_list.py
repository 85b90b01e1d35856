"""`defectory models list`: every generator and classifier of a store, what it was trained on, and how good it is."""

import sys
from collections.abc import Mapping
from datetime import UTC
from typing import TYPE_CHECKING

import typer

from defectory.caution import FEWEST_TO_FIT_ON
from defectory.storage.places import path_or_uri
from orchestrator.cli.options import AsJson, Store, opened
from orchestrator.cli.output import emit, table
from orchestrator.cli.runs import when

if TYPE_CHECKING:
    from defectory.storage import ObjectStore

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Models of every kind: list.")
KINDS = ("generator", "classifier")
SHOWN = ["model", "kind", "made", "trained on", "figures"]


@app.command(name="list")
def list_(store: Store = "", as_json: AsJson = False) -> None:
    """List all generators and classifiers: when they were made, what they were trained on, and their main figures.

    Their cards: `defectory generator show NAME`, `defectory classifier show NAME`.

    \b
    defectory models list
    """
    from defectory.errors import Corrupted
    from defectory.models import list_models

    store_ = opened(store)
    rows: list[dict[str, str]] = []
    for kind in KINDS:
        for name, version in list_models(store_, kind):
            try:
                rows.append(_row(store_, kind, name, version))
            except Corrupted as error:
                sys.stderr.write(f"left out: {error}\n")
    cells = [{**row, "made": when(row["made"]) if row["made"] else "", "trained on": row["trained_on"]} for row in rows]
    none = f"there is no model in {path_or_uri(store_.url)}"
    emit({"models": rows}, as_json, table(cells, SHOWN) if rows else none)


def _row(store: "ObjectStore", kind: str, name: str, version: str) -> dict[str, str]:
    from defectory.models import read_model_card, version_prefix

    card = read_model_card(store, kind, name, version)
    modified = store.head(version_prefix(kind, name, version) + "model.json").modified
    trained_on, figures = generator_in_words(card) if kind == "generator" else classifier_in_words(card)
    return {
        "model": f"{name}/{version}",
        "kind": kind,
        "made": modified.astimezone(UTC).isoformat(timespec="seconds") if modified else "",
        "trained_on": trained_on,
        "figures": figures,
    }


def generator_in_words(card: Mapping[str, object]) -> tuple[str, str]:
    """(what it was trained on, its figures); empty where a card from elsewhere does not say."""
    match card:
        case {"training_images": int(images), "manifest_uri": str(uri)} if images:
            trained_on = f"{_dataset(uri)}: {images} images of {card.get('label')}"
        case _:
            trained_on = f"imported from {card['source']}" if card.get("source") else ""
    match card:
        case {"architecture": {"resolution_px": int(side)}, "kimg": float() | int() as kimg}:
            return trained_on, f"{side} px, {round(kimg * 1000)} images seen"
    return trained_on, ""


def classifier_in_words(card: Mapping[str, object]) -> tuple[str, str]:
    """The same of a classifier: the mean over all its trainings on test images, and what the served one does."""
    trained_on, figures = "", []
    match card:
        case {"lineage": {"manifest_uri": str(uri), "images": {"train": dict(images)}}}:
            trained_on = f"{_dataset(uri)}: {sum(count for count in images.values() if isinstance(count, int))} images"
    match card:
        case {"cycles": list(cycles), "metrics": {"test": {"f1": {"mean": float() | int() as f1}}}}:
            figures.append(f"mean of {len(cycles)} training{'s' * (len(cycles) != 1)}: macro-F1 {f1:.1%}")
    match card:
        case {
            "operating_point": {
                "test": {
                    "escape": {"count": int(passed), "of": int(defective)},
                    "overkill": {"count": int(rejected), "of": int(good)},
                }
            }
        }:
            tested = defective + good
            figures.append(
                f"the served one: {tested - passed - rejected} of {tested} right "
                f"(missed defects {passed} of {defective}, false alarms {rejected} of {good})"
            )
    match card:
        case {"calibration": {"validation": {"images": int(images_)}}} if 0 < images_ < FEWEST_TO_FIT_ON:
            figures.append(f"probabilities fitted on {images_} images only")
    return trained_on, "; ".join(figures)


def _dataset(manifest_uri: str) -> str:
    """The name of a manifest's dataset."""
    return manifest_uri.removesuffix("/manifest.jsonl").rpartition("/")[2]
