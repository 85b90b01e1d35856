"""Small datasets and trainings for the generator's tests."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from defectory.datasets.manifest import image_key, write_dataset
from defectory.datasets.manifest_line import ManifestLine, Origin, PictureFile
from defectory.imaging import encode_png
from defectory.storage import ObjectStore
from services.generator import bundle
from services.generator.stylegan2.networks import Architecture, build
from services.generator.training import settings

SHAPE = {"channel_base": 256, "channel_max": 8, "z_dim": 8, "w_dim": 8}


def write_images(
    store: ObjectStore, name: str, splits: Sequence[tuple[str, str]], *, side: int = 16, channels: int = 3
) -> str:
    """A dataset with one image for each (label, split); returns the manifest's URI."""
    return write_dataset(store, name, make_lines(store, name, splits, side=side, channels=channels), {})


def make_lines(
    store: ObjectStore, name: str, splits: Sequence[tuple[str, str]], *, side: int = 16, channels: int = 3
) -> list[ManifestLine]:
    """Images in the store and their lines."""
    lines = []
    rng = np.random.default_rng(0)
    for number, (label, split) in enumerate(splits):
        y, x = np.mgrid[:side, :side]
        disc = ((x - rng.uniform(4, side - 4)) ** 2 + (y - side / 2) ** 2 < side).astype(float)
        pixels = (disc[..., None] * rng.uniform(100, 250, channels)).astype(np.uint8)
        data = encode_png(pixels)
        sha256 = hashlib.sha256(data).hexdigest()
        store.put(image_key(name, sha256), data)
        lines.append(
            ManifestLine(
                file=PictureFile(uri=store.uri(image_key(name, sha256)), sha256=sha256, width=side, height=side),
                origin=Origin(source=f"{split}/{label}/{number}.png"),
                label=label,
                split=split,
                group=f"g{number}",
            )
        )
    return lines


def small_settings(*, classes: int = 0, channels: int = 3, **given: Any) -> settings.TrainingSettings:
    """Settings of a training that takes a second."""
    values: Mapping[str, Any] = {**SHAPE, "kimg": 0.064, "batch": 4, "snapshot_kimg": 0.032, **given}
    return settings.resolve(values, size_px=16, channels=channels, classes=classes)


def write_generator(
    store: ObjectStore, name: str = "tiny", version: str = "1", *, classes: Sequence[str] = (), **given: Any
) -> bundle.GeneratorCard:
    """An untrained generator in the store."""
    chosen = small_settings(classes=len(classes), **given)
    architecture: Architecture = chosen.architecture
    network, _ = build(architecture, 3)
    fields = {
        "name": name,
        "version": version,
        "label": "+".join(classes) or "defect",
        "classes": tuple(classes),
        "architecture": architecture,
        "kimg": 0.1,
        "augment_p": 0.0,
        "manifest_uri": store.uri("datasets/x/manifest.jsonl"),
        "content_hash": "0" * 64,
        "training_images": 5,
        "settings": chosen,
        "seed": 3,
    }
    return bundle.write(store, fields, network.state_dict())
