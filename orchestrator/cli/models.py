"""Listing and showing models, straight from the store."""

import sys
from typing import Any

from defectory.errors import Corrupted
from defectory.models import list_models, read_model_card, resolve, version_prefix
from defectory.storage import ObjectStore
from orchestrator.cli.output import emit, table


def list_models_of(store: ObjectStore, kind: str, columns: list[str], as_json: bool) -> None:
    """Print the models of a kind, newest version of each name first; one whose card is broken is named and left out."""
    rows: list[Any] = []
    for name, version in list_models(store, kind):
        try:
            card = read_model_card(store, kind, name, version)
        except Corrupted as error:
            sys.stderr.write(f"left out: {error}\n")
            continue
        shape = card.get("architecture")
        known = {**shape, **card} if isinstance(shape, dict) else card
        rows.append({**known, "model": f"{name}/{version}", "name": name, "version": version})
    text = table(rows, columns) if rows else f"there is no {kind} in {store.url}"
    shown = [{column: row.get(column) for column in ["name", "version", *columns]} for row in rows]
    emit({f"{kind}s": shown}, as_json, text)


def show_model(store: ObjectStore, kind: str, model: str, as_json: bool) -> None:
    """Print a model's card."""
    name, version = resolve(store, kind, model)
    card = read_model_card(store, kind, name, version)
    card_uri = store.uri(version_prefix(kind, name, version) + "model.json")
    emit({**card, "model": f"{name}/{version}", "name": name, "version": version, "card_uri": card_uri}, as_json)
