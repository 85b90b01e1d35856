"""Growth of a small test split by augmented copies, as the paper's (226 images): an option, and always marked.

A copy keeps its parent's label and group, names the parent, and says in `augmentation` how it was made: it makes no
interval narrower, since those count groups.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from PIL import Image, ImageEnhance

from defectory.datasets.manifest import original_key
from defectory.datasets.manifest_line import ManifestLine
from defectory.datasets.pictures import image_of, memory_of, picture_of
from defectory.errors import InvalidInput
from defectory.imaging import encode_png
from defectory.storage.store import ObjectStore

AUGMENTATIONS: Mapping[str, Callable[[Image.Image], Image.Image]] = {
    "mirror-x": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "mirror-y": lambda image: image.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
    "rotate-180": lambda image: image.transpose(Image.Transpose.ROTATE_180),
    "rotate+5": lambda image: _turned(image, 5),
    "rotate-5": lambda image: _turned(image, -5),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.15),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.85),
}


def check_growth(images: int, augmentations: Sequence[str]) -> None:
    """InvalidInput unless the number and the names can be meant."""
    unknown = sorted(set(augmentations) - set(AUGMENTATIONS))
    if unknown:
        right = f"use {', '.join(AUGMENTATIONS)}"
        raise InvalidInput(f"unknown augmentation {', '.join(unknown)}: {right}", {"test_augmentations": right})
    if images < 0 or (images and not augmentations):
        right = "0 for no growth, or the number of test images wanted, with at least one augmentation"
        raise InvalidInput(f"the test split cannot grow to {images}: {right}", {"grow_test_to": right})


def grow_test(
    store: ObjectStore,
    dataset: str,
    lines: Sequence[ManifestLine],
    images: int,
    augmentations: Sequence[str],
    seed: int,
) -> list[ManifestLine]:
    """Lines of augmented copies of test images, until the test split holds `images`; the copies are stored.

    Every (test image, augmentation) is used at most once, in an order drawn by the seed with the images taken in turn:
    each has equally many copies, give or take one.

    Raises:
        InvalidInput: more images are wanted than test images and augmentations give.
    """
    check_growth(images, augmentations)
    test = sorted((line for line in lines if line.split == "test"), key=lambda line: line.file.sha256)
    most = len(test) * (1 + len(augmentations))
    if images > most:
        right = f"at most {most}: {len(test)} test images and {len(augmentations)} augmentations of each"
        raise InvalidInput(f"the test split cannot grow to {images} images: {right}", {"grow_test_to": right})
    random = np.random.default_rng(seed)
    rounds = [random.permutation(len(augmentations)) for _ in test]
    known = {line.file.sha256 for line in lines}
    copies: list[ManifestLine] = []
    for turn in range(len(augmentations)):
        for number in random.permutation(len(test)):
            if len(test) + len(copies) >= images:
                return copies
            copy = _copy(store, dataset, test[number], augmentations[rounds[number][turn]])
            if copy.file.sha256 not in known:  # a symmetric image mirrors into itself
                known.add(copy.file.sha256)
                copies.append(copy)
    return copies


def _copy(store: ObjectStore, dataset: str, line: ManifestLine, augmentation: str) -> ManifestLine:
    with memory_of(line):
        png = encode_png(AUGMENTATIONS[augmentation](image_of(picture_of(store, line), line)))
    sha256 = hashlib.sha256(png).hexdigest()
    key = original_key(dataset, sha256, "png")
    store.put(key, png)
    return replace(
        line,
        file=replace(line.file, uri=store.uri(key), sha256=sha256),
        mask=None,
        origin=replace(line.origin, parents=(line.file.sha256,), augmentation=augmentation),
    )


def _turned(image: Image.Image, degrees: float) -> Image.Image:
    """Turned about the middle; what comes in at the corners mirrors what was at the edge."""
    across, down = image.width // 4, image.height // 4
    border = ((down, down), (across, across), *((0, 0),) * (image.mode != "L"))
    turned = Image.fromarray(np.pad(np.asarray(image), border, "reflect")).rotate(degrees, Image.Resampling.BICUBIC)
    return turned.crop((across, down, across + image.width, down + image.height))
