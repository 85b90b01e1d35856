"""Explains images of a manifest with several classifiers side by side: pictures, boxes, scores."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from defectory.datasets.manifest import DEFAULT_READING, Reading, read_manifest
from defectory.datasets.manifest_line import ManifestLine
from defectory.datasets.pictures import picture_of
from defectory.errors import InvalidInput
from defectory.job_settings.explaining import ExplainingMany
from defectory.storage.references import unrooted
from defectory.storage.store import ObjectStore
from services.explainer.boxes import BoxRule, rule_of
from services.explainer.explanation import Explainer, Explanation
from services.explainer.overlay import heatmap_png, thumbnail, titled_sheet
from services.explainer.panel import panel_png, view
from services.explainer.picture import Picture
from services.explainer.reading import readable
from services.explainer.scoring import SANITY_IMAGES, counted, masked_lines, moved, score, summarise

BATCH = 32
SHEET_ROWS = 24


@dataclass(frozen=True)
class Wanted:
    """What to explain.

    Attributes:
        models: each "name" or "name/version". how: its limit is of the pictures that are made.
    """

    models: Sequence[str]
    manifest_uri: str
    output_prefix: str
    split: str = "test"
    how: ExplainingMany = field(default_factory=ExplainingMany)


@dataclass(frozen=True)
class Written:
    """What was written."""

    explanations_uri: str
    summary_uri: str
    sheet_uri: str
    count: int  # images explained


def choose(lines: Sequence[ManifestLine], split: str, limit: int) -> list[ManifestLine]:
    """At most `limit` lines of the split, evenly over labels, always the same ones; no augmented copies."""
    by_label: dict[str, list[ManifestLine]] = {}
    for line in sorted(lines, key=lambda x: x.file.sha256):
        if line.split == split and not line.origin.augmentation:
            by_label.setdefault(line.label, []).append(line)
    chosen: list[ManifestLine] = []
    while len(chosen) < limit and any(by_label.values()):
        for label in sorted(by_label):
            if by_label[label] and len(chosen) < limit:
                chosen.append(by_label[label].pop(0))
    return chosen


def explain_manifest(
    store: ObjectStore, wanted: Wanted, report: Callable[[int, int], None], reading: Reading = DEFAULT_READING
) -> Written:
    """Explain and score; an image that cannot be read is left out.

    Raises:
        InvalidInput: no images in the split. Corrupted: an image or a mask is not the one that its line describes.
    """
    lines = read_manifest(store, wanted.manifest_uri, reading)
    shown = choose(lines, wanted.split, wanted.how.limit)
    masked = masked_lines(lines, wanted.split)
    groups = {line.file.sha256: line.part for line in masked}
    total = (len(shown) + len(masked)) * len(wanted.models)
    rows: list[dict[str, object]] = []
    summaries, scores = [], []
    sheet: list[list[np.ndarray]] = [[] for _ in shown[:SHEET_ROWS]]
    titles = ["image"]
    report(0, total)
    for number, model in enumerate(wanted.models):
        explainer = Explainer(store, model, wanted.how.method, in_turn=True)
        titles.append(explainer.card.full_name)
        pictures = readable(store, shown, explainer.read) if not number else _as_before(store, shown, explainer)
        explained: list[ManifestLine] = []
        inputs: list[np.ndarray] = []  # for the sanity check
        for place, (line, picture, explanation) in enumerate(_explained(explainer, pictures, rule_of(wanted.how))):
            explained.append(line)
            inputs += [picture.pixels] if place < SANITY_IMAGES else []
            rows.append(_put(store, wanted, explainer, line, explanation))
            if place < SHEET_ROWS:
                sheet[place] += [] if number else [thumbnail(explanation.shown)]
                sheet[place].append(thumbnail(view(explanation)))
        if not explained:
            right = "give a manifest with readable images of this split"
            raise InvalidInput(f"{wanted.manifest_uri} has no {wanted.split} images: {right}", {"split": right})
        shown = explained
        scores.append(counted(score(store, explainer, masked), explainer.cells))
        summaries.append(summarise(explainer, scores[-1], np.stack(inputs)))
        if number:
            summaries[-1]["moved"] = moved(scores[0], scores[-1], groups)
        report((number + 1) * total // len(wanted.models), total)
    summary: dict[str, object] = {"split": wanted.split, "models": summaries}
    captions = [line.kind or line.label for line in shown[:SHEET_ROWS]]
    documents = {
        "explanations.jsonl": unrooted(b"".join(json.dumps(row).encode() + b"\n" for row in rows), store),
        "summary.json": json.dumps(summary).encode(),
        "sheet.png": titled_sheet(list(zip(captions, sheet[: len(captions)], strict=True)), titles),
    }
    for name, data in documents.items():
        store.put(f"{wanted.output_prefix}/{name}", data)
    explanations_uri, summary_uri, sheet_uri = (store.uri(f"{wanted.output_prefix}/{name}") for name in documents)
    return Written(explanations_uri, summary_uri, sheet_uri, count=len(shown))


def _as_before(
    store: ObjectStore, lines: Sequence[ManifestLine], explainer: Explainer
) -> Iterator[tuple[ManifestLine, Picture]]:
    """The pictures that another classifier has read; InvalidInput for one that this one cannot read."""
    return ((line, explainer.read(picture_of(store, line))) for line in lines)


def _explained(
    explainer: Explainer, pictures: Iterator[tuple[ManifestLine, Picture]], rule: BoxRule
) -> Iterator[tuple[ManifestLine, Picture, Explanation]]:
    """Every picture with its explanation, one at a time: only a batch of pictures is in memory at once."""
    while part := list(islice(pictures, BATCH)):
        explanations = explainer.explain([picture for _, picture in part], rule=rule)
        for (line, picture), explanation in zip(part, explanations, strict=True):
            yield line, picture, explanation


def _put(
    store: ObjectStore, wanted: Wanted, explainer: Explainer, line: ManifestLine, explanation: Explanation
) -> dict[str, object]:
    """Write an image's pictures; returns its line."""
    model = explainer.card.full_name
    key = f"{wanted.output_prefix}/{model.replace('/', '-')}/{line.file.sha256}"
    probability = explanation.probabilities[explanation.predicted]
    caption = f"{wanted.how.method}, {explanation.label} ({probability:.1%} {explanation.predicted})"
    store.put(f"{key}-overlay.png", panel_png(explanation, caption))
    store.put(f"{key}-heatmap.png", heatmap_png(explanation.heatmap))
    return {
        "uri": line.file.uri,
        "sha256": line.file.sha256,
        "label": line.label,
        "kind": line.kind,
        "model": model,
        "method": wanted.how.method,
        "predicted": explanation.predicted,
        "probability": probability,
        "overlay_uri": store.uri(f"{key}-overlay.png"),
        "heatmap_uri": store.uri(f"{key}-heatmap.png"),
        "boxes": [box.to_dict() for box in explanation.boxes],
        "background": explanation.background,
        "on_background": explanation.on_background,
        "unclear": explanation.unclear,
    }
