"""Judges a manifest: reads images and scores, applies gate and policy, writes the judged dataset."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from defectory.datasets.manifest import ManifestLine, read_manifest, write_dataset
from defectory.errors import DefectoryError
from defectory.imaging import decode
from defectory.storage.parallel import parallel_get
from defectory.storage.store import ObjectStore
from services.filter.novelty import Finding, judge, limits
from services.filter.policies import Policy
from services.filter.similarity import Gallery
from services.filter.verdicts import Score, count_verdicts, decide, threshold_curve

Report = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Scores:
    """What the judge said of a manifest: scores and embedding rows by the image's sha256."""

    by_image: dict[str, Score]
    embeddings: dict[str, np.ndarray]


@dataclass(frozen=True)
class Judgement:
    """What was written."""

    manifest_uri: str
    curve_uri: str
    verdicts: dict[str, int]
    reasons: dict[str, int]


def check_inputs(store: ObjectStore, uris: Sequence[str]) -> None:
    """NotFound or Refused for the first URI that names nothing in the store."""
    for uri in uris:
        store.head(store.key(uri))


def judge_manifest(
    store: ObjectStore,
    manifest_uri: str,
    real_manifest_uri: str,
    accepted_uris: Sequence[str],
    policy: Policy,
    novelty_gate: bool,
    dataset: str,
    score: Callable[[str], Scores],
    report: Report,
) -> Judgement:
    """Judge every image of a manifest and write the verdicts as a dataset.

    Args:
        score: asks the judge for the scores of a manifest, by URI.
    """
    lines = read_manifest(store, manifest_uri)
    scores = score(manifest_uri)
    findings: dict[str, Finding] = {}
    real_sha256: list[str] = []
    if novelty_gate:
        real = [x for x in read_manifest(store, real_manifest_uri) if x.origin != "synthetic" and not x.augmentation]
        earlier = [x for uri in accepted_uris for x in read_manifest(store, uri) if x.verdict == "accepted"]
        findings, real_sha256 = _gate(store, lines, real, earlier, scores, score(real_manifest_uri), report)
    judged = decide(lines, scores.by_image, findings, real_sha256, policy)
    verdicts, reasons = count_verdicts(judged)
    curve_key = f"datasets/{dataset}/curve.json"
    store.put(curve_key, json.dumps(threshold_curve(judged)).encode())
    card = {"judged": manifest_uri, "verdicts": verdicts, "reasons": reasons}
    return Judgement(write_dataset(store, dataset, judged, card), store.uri(curve_key), verdicts, reasons)


def _gate(
    store: ObjectStore,
    lines: list[ManifestLine],
    real: list[ManifestLine],
    earlier: list[ManifestLine],
    scores: Scores,
    real_scores: Scores,
    report: Report,
) -> tuple[dict[str, Finding], list[str]]:
    """(findings by sha256, sha256 of the training gallery's rows)."""
    labels = {line.label for line in lines}
    train, train_images = _read(store, [x for x in real if x.split == "train" and x.sha256 in real_scores.embeddings])
    _, test_images = _read(store, [x for x in real if x.split == "test"])
    _, earlier_images = _read(store, earlier)
    unique = list({line.sha256: line for line in lines if line.sha256 in scores.embeddings}.values())
    made, made_images = _read(store, unique)
    report("comparing", 0, len(made))
    gallery, test_gallery = Gallery(train_images), Gallery(test_images)
    train_embeddings = _rows(real_scores, train)
    bounds = limits(gallery, [x.group or x.sha256 for x in train], test_gallery, train_embeddings)
    # Outliers are measured against the same labels: a perfect good part is a strange defect.
    same = [i for i, line in enumerate(train) if line.label in labels]
    found = judge(
        Gallery(made_images), _rows(scores, made), gallery, train_embeddings[same], test_gallery,
        Gallery(earlier_images), bounds,
    )  # fmt: skip
    report("comparing", len(made), len(made))
    return {line.sha256: finding for line, finding in zip(made, found, strict=True)}, [x.sha256 for x in train]


def _rows(scores: Scores, lines: Sequence[ManifestLine]) -> np.ndarray:
    if not lines:
        return np.zeros((0, 1), np.float32)
    return np.stack([scores.embeddings[line.sha256] for line in lines])


def _read(store: ObjectStore, lines: Sequence[ManifestLine]) -> tuple[list[ManifestLine], list[np.ndarray]]:
    """The lines whose image can be read, and the images."""
    kept, images = [], []
    contents = parallel_get(store, [store.key(line.uri) for line in lines])
    for line, (_, content) in zip(lines, contents, strict=True):
        if isinstance(content, DefectoryError):
            continue
        try:
            images.append(np.asarray(decode(content)))
        except DefectoryError:
            continue  # it has no score either, which makes it "unreadable"
        kept.append(line)
    return kept, images
