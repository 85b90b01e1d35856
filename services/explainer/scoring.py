"""Scores a classifier's heatmaps on all images of a split whose defect is masked, and compares two classifiers."""

import math
from collections.abc import Mapping, Sequence
from itertools import islice

import numpy as np

from defectory.datasets.manifest_line import ManifestLine
from defectory.job_settings.explaining import FEWEST_CELLS
from defectory.storage.store import ObjectStore
from services.explainer.explanation import Explainer
from services.explainer.localisation import Localisation, localise, max_box_acc_v2
from services.explainer.reading import readable_with_masks
from services.explainer.sanity import randomisation_check

BATCH = 32
SANITY_IMAGES = 16
RESAMPLES = 2000
DIGITS = 4  # of a share: what lies beyond is the order in which threads added


def masked_lines(lines: Sequence[ManifestLine], split: str) -> list[ManifestLine]:
    """A split's own images that have a mask, always in one order."""
    own = [line for line in lines if line.split == split and not line.origin.augmentation and line.mask]
    return sorted(own, key=lambda line: line.file.sha256)


def score(store: ObjectStore, explainer: Explainer, lines: Sequence[ManifestLine]) -> dict[str, Localisation]:
    """Each masked image's heat for its true label against its mask, by sha256.

    Left out are labels that the classifier does not know, and what cannot be read (see `readable_with_masks`).
    """
    known = [line for line in lines if line.label in explainer.labels]
    images = readable_with_masks(store, known, explainer.read)
    localisations = {}
    while part := list(islice(images, BATCH)):
        explained = explainer.explain([picture for _, picture, _ in part], [line.label for line, _, _ in part])
        for (line, _, mask), explanation in zip(part, explained, strict=True):
            localisations[line.file.sha256] = localise(explanation.heatmap, mask)
    return localisations


def counted(scores: Mapping[str, Localisation], cells: tuple[int, int]) -> dict[str, Localisation]:
    """The scores that say something: none of heatmaps of too few cells (h, w), none where nothing spoke for the label.

    Heat on the background is a miss, and counts as one: left out, it would flatter a network that looks there.
    """
    if math.prod(cells) < FEWEST_CELLS:
        return {}
    return {image: localisation for image, localisation in scores.items() if not localisation.empty}


def summarise(explainer: Explainer, scores: Mapping[str, Localisation], pixels: np.ndarray) -> dict[str, object]:
    """What is said of one classifier.

    Args:
        pixels: uint8 (N, size, size, 3), network's inputs for the sanity check: SANITY_IMAGES are enough.
    """
    localisations = list(scores.values())
    sanity = randomisation_check(explainer.card.architecture, explainer.network, explainer.cam, pixels)
    summary: dict[str, object] = {
        "model": explainer.card.full_name, "method": explainer.method, "masked": len(localisations), "sanity": sanity,
        "cells": list(explainer.cells),
    }  # fmt: skip
    if localisations:
        summary |= {
            "pointing": _mean([x.hit for x in localisations]),
            "pointing_by_chance": _mean([x.chance for x in localisations]),
            "inside": _mean([x.inside for x in localisations]),
            "inside_by_chance": _mean([x.area for x in localisations]),
            "beside": sum(x.beside for x in localisations),
            "max_box_acc_v2": max_box_acc_v2(localisations),
        }
    return summary


def moved(
    first: Mapping[str, Localisation], second: Mapping[str, Localisation], groups: Mapping[str, str], seed: int = 0
) -> dict[str, object] | None:
    """How much more of the second classifier's heat lies on the defect, on the same images; None without any.

    Args:
        groups: sha256 -> the part shown; the 95% interval is of a bootstrap over parts.
    """
    common = sorted(first.keys() & second.keys())
    if not common:
        return None
    differences = np.array([second[image].inside - first[image].inside for image in common])
    _, part = np.unique([groups[image] for image in common], return_inverse=True)
    sums, sizes = np.bincount(part, differences), np.bincount(part)
    drawn = np.random.default_rng(seed).integers(0, len(sums), (RESAMPLES, len(sums)))
    low, high = np.quantile(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1), [0.025, 0.975])
    return {
        "images": len(common), "parts": len(sums), "inside": _mean(differences), "low": round(float(low), DIGITS),
        "high": round(float(high), DIGITS),
    }  # fmt: skip


def _mean(values: Sequence[float] | np.ndarray) -> float:
    return round(float(np.mean(values)), DIGITS)
