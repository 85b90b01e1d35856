"""Ingests a folder, or finds groups among so many drawn descriptions: run it with either as its argument."""

import sys
import tempfile
from pathlib import Path

import numpy as np

from defectory.datasets.groups import find_groups
from defectory.datasets.ingest import ingest
from defectory.storage import open_store

SIDE = 58  # px, of a description
AGAIN = 20  # every so many parts are photographed a second time


def described(count: int) -> np.ndarray:
    """Descriptions of parts, of which some are there twice, moved by a pixel or two and noisy."""
    random = np.random.default_rng(0)
    images = random.standard_normal((count, SIDE, SIDE), np.float32)
    twice = np.arange(0, count // 2, AGAIN)
    noise = 0.5 * random.standard_normal((len(twice), SIDE, SIDE), np.float32)
    images[count // 2 + twice] = np.roll(images[twice], (1, 2), axis=(1, 2)) + noise
    return images


if sys.argv[1].isdecimal():
    groups = find_groups(described(int(sys.argv[1])))
    sys.stdout.write(f"{groups.max() + 1} groups\n")
else:
    with tempfile.TemporaryDirectory() as folder:
        result = ingest(Path(sys.argv[1]), open_store(Path(folder).as_uri()), "photographs")
    sys.stdout.write(f"{result.card['groups']} groups\n")
