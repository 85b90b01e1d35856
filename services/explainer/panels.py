"""Explains images of a manifest with several classifiers side by side: pictures, boxes, scores."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from defectory.datasets.manifest import DEFAULT_READING, ManifestLine, Reading, read_manifest
from defectory.datasets.pictures import memory_of, picture_of, pictures_of
from defectory.errors import DefectoryError, InvalidInput
from defectory.imaging import decode
from defectory.job_settings.explaining import ExplainingMany
from defectory.storage.store import ObjectStore
from services.explainer.boxes import BoxRule, rule_of
from services.explainer.explanation import Explainer, Explanation
from services.explainer.overlay import heatmap_png, thumbnail, titled_sheet
from services.explainer.panel import panel_png, view
from services.explainer.scoring import SANITY_IMAGES, counted, masked_images, masked_lines, moved, score, summarise

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
    for line in sorted(lines, key=lambda x: x.sha256):
        if line.split == split and not line.augmentation:
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
    shown = _readable(store, choose(lines, wanted.split, wanted.how.limit))
    if not shown:
        right = "give a manifest with readable images of this split"
        raise InvalidInput(f"{wanted.manifest_uri} has no {wanted.split} images: {right}", {"split": right})
    masked = masked_lines(lines, wanted.split)
    groups = {line.sha256: line.group or line.sha256 for line in masked}
    total = (len(shown) + len(masked)) * len(wanted.models)
    rows: list[dict[str, object]] = []
    summaries, scores = [], []
    sheet: list[list[np.ndarray]] = [[] for _ in shown[:SHEET_ROWS]]
    titles = ["image"]
    for number, model in enumerate(wanted.models):
        explainer = Explainer(store, model, wanted.how.method, in_turn=True)
        titles.append(explainer.card.full_name)
        for place, (line, explanation) in enumerate(_explained(store, explainer, shown, rule_of(wanted.how))):
            rows.append(_put(store, wanted, explainer, line, explanation))
            if place < SHEET_ROWS:
                sheet[place] += [
                    thumbnail(picture) for picture in ([] if number else [explanation.shown]) + [view(explanation)]
                ]
        scores.append(counted(score(explainer, masked_images(store, masked)), explainer.cells))
        files = [picture_of(store, line) for line in shown[:SANITY_IMAGES]]
        summaries.append(summarise(explainer, scores[-1], files))
        if number:
            summaries[-1]["moved"] = moved(scores[0], scores[-1], groups)
        report((number + 1) * total // len(wanted.models), total)
    summary: dict[str, object] = {"split": wanted.split, "models": summaries}
    captions = [line.kind or line.label for line in shown[:SHEET_ROWS]]
    documents = {
        "explanations.jsonl": b"".join(json.dumps(row).encode() + b"\n" for row in rows),
        "summary.json": json.dumps(summary).encode(),
        "sheet.png": titled_sheet(list(zip(captions, sheet, strict=True)), titles),
    }
    for name, data in documents.items():
        store.put(f"{wanted.output_prefix}/{name}", data)
    explanations_uri, summary_uri, sheet_uri = (store.uri(f"{wanted.output_prefix}/{name}") for name in documents)
    return Written(explanations_uri, summary_uri, sheet_uri, count=len(shown))


def _readable(store: ObjectStore, lines: Sequence[ManifestLine]) -> list[ManifestLine]:
    found = []
    for line, content in zip(lines, pictures_of(store, lines), strict=True):
        if isinstance(content, DefectoryError):
            continue  # the manifest's other images go on
        try:
            with memory_of(line):
                decode(content)
        except InvalidInput:
            continue
        found.append(line)
    return found


def _explained(
    store: ObjectStore, explainer: Explainer, lines: Sequence[ManifestLine], rule: BoxRule
) -> Iterator[tuple[ManifestLine, Explanation]]:
    """Every line with its explanation, one at a time: only a batch of pictures is in memory at once."""
    for start in range(0, len(lines), BATCH):
        part = lines[start : start + BATCH]
        files = [picture_of(store, line) for line in part]
        yield from zip(part, explainer.explain(files, rule=rule), strict=True)


def _put(
    store: ObjectStore, wanted: Wanted, explainer: Explainer, line: ManifestLine, explanation: Explanation
) -> dict[str, object]:
    """Write an image's pictures; returns its line."""
    model = explainer.card.full_name
    key = f"{wanted.output_prefix}/{model.replace('/', '-')}/{line.sha256}"
    probability = explanation.probabilities[explanation.predicted]
    caption = f"{wanted.how.method}, {explanation.label} ({probability:.0%} {explanation.predicted})"
    store.put(f"{key}-overlay.png", panel_png(explanation, caption))
    store.put(f"{key}-heatmap.png", heatmap_png(explanation.heatmap))
    return {
        "uri": line.uri,
        "sha256": line.sha256,
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
