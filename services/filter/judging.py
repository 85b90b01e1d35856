"""Judges a manifest: reads images and scores, applies gate and policy, writes the judged dataset."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count

import numpy as np
from PIL import Image

from defectory.datasets.manifest import DEFAULT_READING, Reading, iter_manifest, read_manifest, write_dataset
from defectory.datasets.manifest_line import ManifestLine
from defectory.datasets.prepared import squares
from defectory.errors import DefectoryError, InvalidInput, listed
from defectory.imaging import on_white
from defectory.storage.store import ObjectStore
from services.filter.features import unit_rows
from services.filter.novelty import Finding, Prepared, judge, limits
from services.filter.policies import Policy
from services.filter.probe import probe_labels
from services.filter.scores import Scores
from services.filter.structure import FINE, Whitening, structures
from services.filter.verdicts import count_verdicts, decide, threshold_curve, too_strict

JUDGED = "judged"  # of a dataset's card: the manifest that the filter judged; no other dataset has it
Report = Callable[[str, int, int], None]


@dataclass(frozen=True)
class JudgedDataset:
    """What was written."""

    manifest_uri: str
    curve_uri: str
    verdicts: dict[str, int]
    reasons: dict[str, int]
    warnings: list[str]  # what speaks against the judge, or its threshold


def check_inputs(store: ObjectStore, uris: Iterable[str]) -> None:
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
    doubts: Callable[[Sequence[ManifestLine]], list[str]],
    report: Report,
    reading: Reading = DEFAULT_READING,
) -> JudgedDataset:
    """Judge every image of a manifest and write the verdicts as a dataset.

    Args:
        novelty_gate: whether copies, duplicates and outliers are rejected. What is known of them is written all the
            same, and a copy of a test image stops everything.
        score: asks the judge for the scores of a manifest, by URI.
        doubts: what speaks against the judge, who is to judge images made from these real ones.
    """
    lines = read_manifest(store, manifest_uri, reading)
    scores, real_scores = score(manifest_uri), score(real_manifest_uri)
    _check_labels(lines, scores, policy)
    real = [x for x in iter_manifest(store, real_manifest_uri, reading) if x.is_real and not x.origin.augmentation]
    earlier = [
        x for uri in accepted_uris for x in iter_manifest(store, uri, reading) if x.judgement.verdict == "accepted"
    ]
    gate = _gate(store, lines, real, earlier, scores, real_scores, report)
    findings = gate.findings if novelty_gate else {key: replace(x, reasons=()) for key, x in gate.findings.items()}
    judged = decide(lines, scores.by_image, findings, gate.training, gate.twins, policy)
    verdicts, reasons = count_verdicts(judged)
    curve_key = f"datasets/{dataset}/curve.json"
    # No judge was trained on validation images: what share of them is kept is what can be asked of synthetic ones.
    unseen = [x for x in real if x.split == "validation" and x.file.sha256 in real_scores.by_image]
    synthetic_labels = {line.label for line in lines}
    reference = [
        replace(x, judgement=replace(x.judgement, scores=real_scores.by_image[x.file.sha256].probabilities))
        for x in unseen
    ]
    store.put(curve_key, json.dumps(threshold_curve(judged, reference)).encode())
    warnings = [*doubts(real), *too_strict([line for line in reference if line.label in synthetic_labels], policy)]
    training = [x for x in real if x.split == "train"]
    probes = probe_labels(training, judged, real_scores.embeddings, scores.embeddings)
    card = {
        JUDGED: manifest_uri,
        "verdicts": verdicts,
        "reasons": reasons,
        "limits": gate.limits,
        "probe": {label: probe.to_dict() if probe else None for label, probe in probes.items()},
        "warnings": warnings,
    }
    return JudgedDataset(write_dataset(store, dataset, judged, card), store.uri(curve_key), verdicts, reasons, warnings)


def _check_labels(lines: Sequence[ManifestLine], scores: Scores, policy: Policy) -> None:
    """InvalidInput for a label, of an image or of a threshold, that the judge does not know."""
    if not scores.by_image:
        return
    known = set(next(iter(scores.by_image.values())).probabilities)  # all scores have the same labels
    for name, labels in (
        ("manifest_uri", {x.label for x in lines}),
        ("label_thresholds", set(policy.rule.label_thresholds)),
        ("label_lower_thresholds", set(policy.rule.label_lower_thresholds)),
    ):
        if labels - known:
            right = f"the judge knows {listed(sorted(known))}"
            unknown = listed(sorted(labels - known))
            raise InvalidInput(f"{name}: there is no label {unknown}: {right}", {name: right})


@dataclass(frozen=True)
class Gate:
    """What the novelty gate found."""

    findings: dict[str, Finding]  # by sha256
    training: list[str]  # sha256 of the training images that a finding's rows mean
    twins: list[str]  # sha256 of the images that a finding's twin means
    limits: dict[str, object]  # as the dataset's card has them


def _gate(
    store: ObjectStore,
    lines: list[ManifestLine],
    real: list[ManifestLine],
    earlier: list[ManifestLine],
    scores: Scores,
    real_scores: Scores,
    report: Report,
) -> Gate:
    # Photographs are compared as the generator saw them: their finer detail would set every synthetic image apart.
    side_px = min([side for x in lines if (side := x.network_px)] or [FINE.size_px])
    of_train, of_test = (
        [x for x in real if x.split == split and x.file.sha256 in real_scores.embeddings] for split in ("train", "test")
    )
    unique = list({line.file.sha256: line for line in lines if line.file.sha256 in scores.embeddings}.values())
    reading = _counted(report, len(of_train) + len(of_test) + len(earlier) + len(unique))
    train, train_raw = _read(store, of_train, side_px, reading)
    whitening = Whitening(train_raw)

    def prepared(chosen: list[ManifestLine], raw: np.ndarray, known: Scores) -> Prepared:
        embeddings = unit_rows(_rows(known, chosen))
        return Prepared(whitening.gallery(raw), embeddings, np.array([x.label for x in chosen], dtype=str))

    training = prepared(train, train_raw, real_scores)
    bounds = limits(training, [x.part for x in train])
    test = prepared(
        *_read(store, of_test, side_px, reading),
        real_scores,
    )
    kept, earlier_raw = _read(store, earlier, side_px, reading)
    accepted = whitening.gallery(earlier_raw)
    new_lines, new_raw = _read(store, unique, side_px, reading)
    report("comparing", 0, len(new_lines))
    set_in = np.array([line.origin.edit is not None for line in new_lines], dtype=bool)
    synthetic = replace(prepared(new_lines, new_raw, scores), set_in=set_in)
    del new_raw  # as large as all that follows
    findings = judge(synthetic, training, test, accepted, bounds)
    report("comparing", len(new_lines), len(new_lines))
    return Gate(
        findings={line.file.sha256: finding for line, finding in zip(new_lines, findings, strict=True)},
        training=[x.file.sha256 for x in train],
        twins=[x.file.sha256 for x in [*kept, *new_lines]],
        limits=bounds.to_dict(),
    )


def _rows(scores: Scores, lines: Sequence[ManifestLine]) -> np.ndarray:
    if not lines:
        return np.zeros((0, 1), np.float32)
    return np.stack([scores.embeddings[line.file.sha256] for line in lines])


def _counted(report: Report, total: int) -> Callable[[], None]:
    """Is called for every image that was read, of several lists."""
    numbers = count(1)
    return lambda: report("reading", next(numbers), total)


def _read(
    store: ObjectStore, lines: Sequence[ManifestLine], side_px: int, on_image: Callable[[], None]
) -> tuple[list[ManifestLine], np.ndarray]:
    """The lines whose image can be read, and the images' structures; the images themselves are let go."""
    kept: list[ManifestLine] = []

    def readable() -> Iterator[np.ndarray]:
        for line, image in zip(lines, squares(store, lines, side_px), strict=True):
            on_image()
            if isinstance(image, DefectoryError):
                continue  # without a finding it is "unreadable"
            kept.append(line)
            yield np.asarray(on_white(Image.fromarray(image))) if image.shape[2:] == (4,) else image

    raw = structures(readable())
    return kept, raw
