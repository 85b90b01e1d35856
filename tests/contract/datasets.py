"""Small datasets that anyone can tell apart: good parts are bright, defects have a dark square."""

import hashlib
from collections.abc import Sequence

import numpy as np

from defectory.datasets.manifest import image_key, read_manifest, write_dataset
from defectory.datasets.manifest_line import ManifestLine, Origin, PictureFile
from defectory.imaging import encode_png
from defectory.storage import ObjectStore
from tests.contract import pictures


def with_bad_files(store: ObjectStore, manifest_uri: str) -> str:
    """The dataset, and in every split files that cannot be read: broken, absent, outside; its manifest's URI."""
    lines, kinds = read_manifest(store, manifest_uri), {**pictures.bad(), "gone": b"gone", "outside": b"outside"}
    for number, (kind, data) in enumerate(kinds.items()):
        for split in ("train", "validation", "test"):
            content, key = data + split.encode(), f"bad/{number}-{split}"
            if kind != "gone":
                store.put(key, content)
            uri = "file:///etc/passwd" if kind == "outside" else store.uri(key)
            digest, label = hashlib.sha256(content).hexdigest(), ("good", "defect")[number % 2]
            lines.append(
                ManifestLine(
                    file=PictureFile(uri=uri, sha256=digest, width=32, height=32),
                    origin=Origin(source=kind),
                    label=label,
                    split=split,
                )
            )
    return write_dataset(store, "bad", lines, {})


def make_dataset(
    store: ObjectStore,
    name: str = "parts",
    size_px: int = 32,
    each: int = 12,
    seed: int = 0,
    labels: Sequence[str] = ("good", "defect"),
) -> str:
    """Write a dataset (half train, a quarter each validation and test); returns its manifest's URI.

    Args:
        labels: of "good", "defect" and "stripe", whose parts have a bright stripe.
    """
    random = np.random.default_rng(seed)
    lines = []
    for label in labels:
        for number in range(each):
            pixels = random.integers(150, 220, (size_px, size_px, 3)).astype(np.uint8)
            if label == "defect":
                x, y = random.integers(0, size_px // 2, 2)
                pixels[y : y + size_px // 3, x : x + size_px // 3] = random.integers(0, 60)
            if label == "stripe":
                pixels[random.integers(0, size_px - 4) :][:4] = 255
            data = encode_png(pixels)
            sha256 = hashlib.sha256(data).hexdigest()
            store.put(image_key(name, sha256), data)
            split = "train" if number % 4 < 2 else "validation" if number % 4 == 2 else "test"
            lines.append(
                ManifestLine(
                    file=PictureFile(
                        uri=store.uri(image_key(name, sha256)), sha256=sha256, width=size_px, height=size_px
                    ),
                    origin=Origin(source=f"{label}/{number}.png"),
                    label=label,
                    split=split,
                    group=f"{label}-{number}",
                )
            )
    return write_dataset(store, name, lines, {})
