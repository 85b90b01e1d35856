"""Listing and showing models, straight from the store."""

import sys
from collections.abc import Mapping

from defectory.errors import Corrupted
from defectory.models import list_models, read_model_card, resolve, version_prefix
from defectory.storage import ObjectStore
from defectory.storage.places import path_or_uri
from orchestrator.cli.output import emit, in_lines, table
from orchestrator.cli.sections import in_sections

LEFT_OUT = ("golden", "history")  # of a card as text


def list_models_of(store: ObjectStore, kind: str, columns: list[str], as_json: bool) -> None:
    """Print the models of a kind, newest version of each name first; one whose card is broken is named and left out."""
    rows: list[dict[str, object]] = []
    for name, version in list_models(store, kind):
        try:
            card = read_model_card(store, kind, name, version)
        except Corrupted as error:
            sys.stderr.write(f"left out: {error}\n")
            continue
        shape = card.get("architecture")
        known = {**shape, **card} if isinstance(shape, dict) else card
        rows.append({**_main_weights(card), **known, "model": f"{name}/{version}", "name": name, "version": version})
    cells = [{**row, "cycles": len(x)} if isinstance(x := row.get("cycles"), list) else row for row in rows]
    text = table(cells, columns) if rows else f"there is no {kind} in {path_or_uri(store.url)}"
    shown = [{column: row.get(column) for column in ["name", "version", *columns]} for row in rows]
    emit({f"{kind}s": shown}, as_json, text)


def _main_weights(card: Mapping[str, object]) -> dict[str, str]:
    """The hash of a classifier's main cycle, which stands for the model; a generator's card has its own."""
    match card:
        case {"cycles": list(cycles), "main_cycle": int(main)} if 0 <= main < len(cycles):
            match cycles[main]:
                case {"weights": {"sha256": str(digest)}}:
                    return {"weights_sha256": digest}
    return {}  # a card from elsewhere: it is listed all the same


def show_model(store: ObjectStore, kind: str, model: str, as_json: bool) -> None:
    """Print a model's card; as text without what is long and for machines."""
    name, version = resolve(store, kind, model)
    card = read_model_card(store, kind, name, version)
    card_uri = store.uri(version_prefix(kind, name, version) + "model.json")
    shown = {**card, "model": f"{name}/{version}", "name": name, "version": version, "card_uri": card_uri}
    names = _names_of(card)
    head = _first_of_generator(store, card) if kind == "generator" else ""
    in_words = {names.get(key, key): value for key, value in shown.items() if key not in LEFT_OUT}
    text = in_sections({**in_words, **_counted_from_one(card), **_asked_for(card)})
    emit(shown, as_json, "\n\n".join(filter(None, [head, text])))


def _first_of_generator(store: ObjectStore, card: Mapping[str, object]) -> str:
    """What a person looks for on a generator's card: its sheet of samples, and how it came to be."""
    sample, kimg = card.get("sample_key"), card.get("kimg")
    shown = f"{round(kimg * 1000):,}" if isinstance(kimg, float | int) else ""
    known = {
        "sheet": path_or_uri(store.uri(sample)) if isinstance(sample, str) and sample else "none",
        "makes": card.get("label"),
        "images shown": shown,
        "started from": card.get("initial_model") or card.get("source") or "nothing",
        "KID": _kid(card),
        "kept because": card.get("shipped_reason"),
    }
    return in_lines({name: text for name, text in known.items() if text})


def _kid(card: Mapping[str, object]) -> str:
    """KID of the snapshot that became the model; that none was measured, else."""
    history = card.get("history")
    for snapshot in history if isinstance(history, list) else ():
        match snapshot:
            case {"kimg": kimg, "kid": float(kid)} if kimg == card.get("shipped_kimg"):
                return f"{kid:.3g}"
    return "not measured"


def _counted_from_one(card: Mapping[str, object]) -> dict[str, object]:
    """A classifier's trainings as a person counts them, and as the report does; the card counts from 0."""
    match card:
        case {"cycles": list(cycles), "main_cycle": int(main)} if all(isinstance(cycle, dict) for cycle in cycles):
            rows = [{"training": number, **cycle} for number, cycle in enumerate(cycles, start=1)]
            return {"served training": f"{main + 1} of {len(cycles)}", "cycles": rows}
    return {}


def _asked_for(card: Mapping[str, object]) -> dict[str, object]:
    """The settings with the weights that were asked for named so; which were taken is in the lineage."""
    match card:
        case {"settings": dict(settings), "main_cycle": int()}:
            asked = {"initial_weights": "initial_weights, asked for"}
            return {"settings": {asked.get(key, key): value for key, value in settings.items()}}
    return {}


def _names_of(card: Mapping[str, object]) -> dict[str, str]:
    """What figures of several trainings, and those of the one that is served, are called for a person."""
    match card:
        case {"cycles": list(cycles), "main_cycle": int()}:
            return {
                "main_cycle": "served training",
                "metrics": f"metrics, mean of {len(cycles)} training{'s' * (len(cycles) != 1)}",
                "operating_point": "served operating_point",
                "calibration": "served calibration",
            }
    return {}
