"""Explains images of a manifest with several classifiers side by side."""

import json
from collections.abc import Callable, Sequence

from PIL import Image

from defectory.datasets.manifest import ManifestLine, read_manifest
from defectory.errors import DefectoryError, InvalidInput
from defectory.imaging import decode
from defectory.storage.store import ObjectStore
from services.explainer.explanation import Explainer
from services.explainer.overlay import heatmap_png, overlay_png

BATCH = 32
DEFAULT_LIMIT = 16


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
    store: ObjectStore,
    models: Sequence[str],
    manifest_uri: str,
    split: str,
    limit: int,
    output_prefix: str,
    threshold: float,
    report: Callable[[int, int], None],
) -> tuple[str, int]:
    """(URI of explanations.jsonl, number of images); an image that cannot be read is left out.

    Raises:
        InvalidInput: no images in the split.
    """
    readable: list[tuple[ManifestLine, Image.Image]] = []
    for line in choose(read_manifest(store, manifest_uri), split, limit):
        try:
            readable.append((line, decode(store.get(store.key(line.uri)))))
        except DefectoryError:
            report(len(readable), limit)  # the manifest's other images go on
    if not readable:
        right = "give a manifest with readable images of this split"
        raise InvalidInput(f"{manifest_uri} has no {split} images: {right}", {"split": right})
    rows = []
    total = len(readable) * len(models)
    for model in models:
        explainer = Explainer(store, model)
        name = f"{explainer.card.name}/{explainer.card.version}"
        for start in range(0, len(readable), BATCH):
            part = readable[start : start + BATCH]
            explained = explainer.explain([image for _, image in part], threshold=threshold)
            for (line, _), explanation in zip(part, explained, strict=True):
                key = f"{output_prefix}/{name.replace('/', '-')}/{line.sha256}"
                store.put(f"{key}-overlay.png", overlay_png(explanation.image, explanation.heatmap, explanation.boxes))
                store.put(f"{key}-heatmap.png", heatmap_png(explanation.heatmap))
                rows.append(
                    {
                        "uri": line.uri,
                        "sha256": line.sha256,
                        "label": line.label,
                        "kind": line.kind,
                        "model": name,
                        "predicted": explanation.predicted,
                        "probability": explanation.probabilities[explanation.predicted],
                        "overlay_uri": store.uri(f"{key}-overlay.png"),
                        "heatmap_uri": store.uri(f"{key}-heatmap.png"),
                        "boxes": [box.to_dict() for box in explanation.boxes],
                    }
                )
                report(len(rows), total)
    key = f"{output_prefix}/explanations.jsonl"
    store.put(key, b"".join(json.dumps(row).encode() + b"\n" for row in rows))
    return store.uri(key), len(readable)
