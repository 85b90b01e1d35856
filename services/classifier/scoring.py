"""Scores a manifest: mean and spread of the probabilities over the cycles, and the main network's embeddings."""

import io
import json
from collections.abc import Callable

import numpy as np

from defectory.datasets.manifest import read_manifest
from defectory.storage.store import ObjectStore
from services.classifier.bundle import load_cycle, read_card
from services.classifier.data import load_images
from services.classifier.model import build
from services.classifier.prediction import Predictor


def score(
    store: ObjectStore, model: str, manifest_uri: str, output_prefix: str, report: Callable[[str, int, int], None]
) -> tuple[str, str, int]:
    """(URI of scores.jsonl, URI of embeddings.npy, number of images); what cannot be read has no line."""
    card = read_card(store, model)
    lines = read_manifest(store, manifest_uri)
    images = load_images(
        store, lines, card.architecture.input_px, card.preprocessing,
        lambda done, of: report("reading images", done, of),
    )  # fmt: skip
    network = build(card.architecture)
    predictor = Predictor(card, network)
    embeddings = np.zeros((0, network.embed.output_shape[-1]), np.float32)
    by_cycle = []
    for cycle in range(len(card.cycles)):
        load_cycle(store, card, network, cycle)
        if images.lines:
            probabilities, features = predictor.predict(images.pixels)
            by_cycle.append(probabilities)
            if cycle == card.main_cycle:
                embeddings = features
        report("scoring, by cycle", cycle + 1, len(card.cycles))
    rows = []
    if images.lines:
        stacked = np.stack(by_cycle)  # (cycles, N, labels)
        mean, spread = stacked.mean(axis=0), stacked.std(axis=0)
        for i, line in enumerate(images.lines):
            row = {
                "sha256": line.sha256,
                "uri": line.uri,
                "probabilities": dict(zip(card.architecture.labels, map(float, mean[i]), strict=True)),
                "spread": dict(zip(card.architecture.labels, map(float, spread[i]), strict=True)),
            }
            rows.append(json.dumps(row).encode() + b"\n")
    buffer = io.BytesIO()
    np.save(buffer, embeddings, allow_pickle=False)
    prefix = output_prefix.strip("/")
    store.put(f"{prefix}/embeddings.npy", buffer.getvalue())
    store.put(f"{prefix}/scores.jsonl", b"".join(rows))
    return store.uri(f"{prefix}/scores.jsonl"), store.uri(f"{prefix}/embeddings.npy"), len(images.lines)
