"""Whether the synthetic images of a label can be told from real ones by the judge's features: a shortcut to learn."""

from collections.abc import Mapping, Sequence

import numpy as np

from defectory.datasets.manifest_line import ManifestLine
from defectory.probe import Probe, Sample, probe

MOST = 2000  # images of either kind, so that a label takes seconds however many there are


def probe_labels(
    training: Sequence[ManifestLine],
    judged: Sequence[ManifestLine],
    real_embeddings: Mapping[str, np.ndarray],
    embeddings: Mapping[str, np.ndarray],
) -> dict[str, Probe | None]:
    """The probe of every label of the judged images; None where there are too few of either kind.

    Args:
        training: real training images, without augmented copies. judged: synthetic images with their verdicts; those
            that were accepted count, and of those that show the same the first.
        real_embeddings, embeddings: by sha256.
    """
    accepted = [x for x in judged if x.judgement.verdict == "accepted" and not x.judgement.duplicate_of]
    probes = {}
    for label in sorted({line.label for line in judged}):
        real = _sample([x for x in training if x.label == label], real_embeddings)
        probes[label] = probe(real, _sample([x for x in accepted if x.label == label], embeddings))
    return probes


def _sample(lines: Sequence[ManifestLine], embeddings: Mapping[str, np.ndarray]) -> Sample:
    """At most MOST images: the first by their hash, which has nothing to do with what they show."""
    unique = {line.file.sha256: line for line in lines if line.file.sha256 in embeddings}
    chosen = [unique[digest] for digest in sorted(unique)[:MOST]]
    rows = [embeddings[line.file.sha256] for line in chosen]
    return Sample(np.stack(rows) if rows else np.zeros((0, 1)), [line.part for line in chosen])
