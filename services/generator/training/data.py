"""Training images of one label: read from a manifest, checked against its test lines, held in memory as bytes."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from defectory.datasets.manifest import content_hash
from defectory.datasets.manifest_line import ManifestLine
from defectory.datasets.masks import read_mask
from defectory.datasets.prepared import squares
from defectory.errors import Corrupted, DefectoryError, InvalidInput, listed
from defectory.imaging import is_grey, to_square
from defectory.job_settings.generator_training import SMALLEST_PX
from defectory.storage import ObjectStore
from defectory.storage.fetching import verified
from services.generator.stylegan2.networks import Architecture
from services.generator.stylegan2.placing import place

DEFAULT_PX = 64


@dataclass(frozen=True)
class TrainingImages:
    """All images of a training.

    Shapes:
        pixels: (N, C, R, R) uint8
    """

    pixels: Tensor
    content_hash: str


def select(lines: Sequence[ManifestLine], label: str) -> list[ManifestLine]:
    """The lines that a generator of the label learns from.

    Raises:
        InvalidInput: the label has no training images, or one of them is also tested on.
    """
    (chosen,) = _learned(lines, [label])
    return chosen


def select_classes(lines: Sequence[ManifestLine], labels: Sequence[str]) -> tuple[list[ManifestLine], list[int]]:
    """The lines that one generator of several labels learns from, and the index of each line's label.

    Raises:
        InvalidInput: one label only or one twice, a label without training images, or an image is also tested on.
    """
    if len(labels) < 2 or len(set(labels)) < len(labels):
        right = "at least two, all different; for one label give `label`"
        raise InvalidInput(f"labels are {listed(labels) or 'none'}: {right}", {"labels": right})
    by_class = _learned(lines, labels)
    return [line for part in by_class for line in part], [index for index, part in enumerate(by_class) for _ in part]


def of_split(lines: Sequence[ManifestLine], label: str, split: str) -> list[ManifestLine]:
    """Lines of a label and a split that are photographs, edited or not, and were not rejected."""
    return [line for line in lines if line.label == label and _is_of(line, split)]


def of_labels(lines: Sequence[ManifestLine], labels: Sequence[str], split: str) -> list[ManifestLine]:
    """`of_split` of several labels, one after the other."""
    return [line for label in labels for line in of_split(lines, label, split)]


def class_indices(lines: Sequence[ManifestLine], names: Sequence[str]) -> list[int]:
    """Of each line the index of its label among the names of a model's classes; nothing where that has none."""
    index = {name: number for number, name in enumerate(names)}
    return [index[line.label] for line in lines] if names else []


def parts_of(lines: Sequence[ManifestLine]) -> list[str]:
    """Of each line the part that it shows: its group, else that of an image it was made from, else one of its own."""
    known = {line.file.sha256: line.part for line in lines}
    return [
        line.group or next((known[parent] for parent in line.origin.parents if parent in known), line.file.sha256)
        for line in lines
    ]


def default_resolution(lines: Sequence[ManifestLine]) -> int:
    """Resolution in pixels where none is asked for: what two cores train in minutes, or less where pictures have less.

    A power of two, at least 8.
    """
    smallest = min(min(line.file.width, line.file.height) for line in lines)
    return max(SMALLEST_PX, 1 << (min(smallest, DEFAULT_PX).bit_length() - 1))


def original_size(lines: Sequence[ManifestLine]) -> tuple[int, int] | None:
    """(width, height) in pixels of what is stretched to a square, the middle where they differ; None: nothing is."""
    sizes = [line.upright_px for line in lines if line.origin.stretched_from or line.file.fit == "stretch"]
    if not sizes:
        return None
    width, height = np.median(np.array(sizes), axis=0).round().astype(int).tolist()
    return width, height


def load(
    store: ObjectStore, lines: Sequence[ManifestLine], resolution_px: int, *, with_mask: bool = False
) -> TrainingImages:
    """Read the pictures of the lines as square images, as ingest was told to make them square.

    RGBA if one of them is transparent somewhere, grey if all of them are grey, else RGB; with masks these come last, as
    a further channel: 0 good, 255 defect.

    Raises:
        Corrupted: an object is not what its line says. NotFound, Unavailable: it cannot be read.
        InvalidInput: masks are wanted, and a picture is transparent somewhere, or a mask is of another size.
    """
    images = []
    for square in squares(store, lines, resolution_px):
        if isinstance(square, Corrupted):
            continue  # all of them are named behind the last
        if isinstance(square, DefectoryError):
            raise square
        images.append(Image.fromarray(square))
    alpha, grey = any(image.mode == "RGBA" for image in images), all(is_grey(image) for image in images)
    arrays = [np.asarray(image.convert("RGBA" if alpha else "L" if grey else "RGB")) for image in images]
    stacked = np.stack(arrays).reshape(len(arrays), *arrays[0].shape[:2], -1)
    if with_mask:
        if alpha:
            right = "pictures that are not transparent anywhere, or leave with_mask out"
            raise InvalidInput(
                f"alpha and masks cannot be learned together: use {right}", {"settings.with_mask": right}
            )
        masks = [square_mask(store, line, resolution_px) for line in lines]
        stacked = np.concatenate([stacked, np.stack(masks)[..., None]], axis=3)
    return TrainingImages(torch.from_numpy(stacked).permute(0, 3, 1, 2).contiguous(), content_hash(lines))


def square_mask(store: ObjectStore, line: ManifestLine, resolution_px: int) -> np.ndarray:
    """The mask of a line as its picture becomes square, soft where pixels are shared: uint8 (R, R), 0 good, 255 defect.

    Raises:
        Corrupted, NotFound, Unavailable, InvalidInput: it cannot be read, or is not of its picture's size.
    """
    if line.mask is None:
        return np.zeros((resolution_px, resolution_px), np.uint8)
    content = verified(store.get(store.key(line.mask.uri)), line.mask.uri, line.mask.sha256)
    mask = read_mask(content, line.file.width, line.file.height)
    if line.file.fit == "pad":  # beside its picture there is no defect
        return np.asarray(to_square(mask, resolution_px, "pad", mask=True))
    return np.asarray(to_square(mask, resolution_px, line.file.fit or "stretch"))


def pixels(store: ObjectStore, lines: Sequence[ManifestLine], architecture: Architecture) -> np.ndarray:
    """Images of the lines as a network makes its own, in its size and colours: (N, R, R, C) uint8, N possibly 0.

    Raises:
        Corrupted: an object is not what its line says. NotFound, Unavailable: it cannot be read.
    """
    side, channels = architecture.resolution_px, architecture.channels
    if not lines:
        return np.empty((0, side, side, channels), np.uint8)
    images = load(store, lines, side, with_mask=architecture.mask).pixels.permute(0, 2, 3, 1).numpy()
    if not architecture.mask:
        return in_channels(images, channels)
    return np.concatenate([in_channels(images[..., :-1], architecture.colours), images[..., -1:]], axis=3)


@dataclass(frozen=True)
class Shown:
    """Real images of a step.

    Shapes:
        pixels: (N, C, R, R) uint8; classes: (N,) int64, or None where there is one label
    """

    pixels: Tensor
    classes: Tensor | None

    def images(self, device: torch.device) -> Tensor:
        """On a device, in [-1, 1]: bytes travel, a quarter of the floats."""
        return place(self.pixels, device).float() / 127.5 - 1


def in_channels(pixels: np.ndarray, channels: int) -> np.ndarray:
    """Images (N, H, W, C) as others have them: grey is the mean of the colours, alpha that is new is opaque."""
    if pixels.shape[3] == channels:
        return pixels
    colours = pixels[..., :3]
    if channels == 1:
        grey: np.ndarray = colours.mean(axis=3, keepdims=True).astype(np.uint8)
        return grey
    rgb = np.broadcast_to(colours, (*pixels.shape[:3], 3))
    return rgb.copy() if channels == 3 else np.concatenate([rgb, np.full_like(rgb[..., :1], 255)], axis=3)


class Epochs:
    """The order in which images are shown: a new permutation every pass, from the seed; position n is all its state.

    Args:
        images: the images.
        seed: of the permutations.
        mirror_x, mirror_y: whether every image also counts mirrored.
        classes: (N,) int64, of every image; None where there is one label.
    """

    def __init__(
        self,
        images: Tensor,
        seed: int,
        *,
        mirror_x: bool = False,
        mirror_y: bool = False,
        classes: Tensor | None = None,
    ) -> None:
        self._images = images
        self._classes = classes
        self._seed = seed
        self._mirrors = [(x, y) for y in (False, True)[: 1 + mirror_y] for x in (False, True)[: 1 + mirror_x]]
        self._epoch = -1
        self._order = np.empty(0, dtype=np.int64)

    def batch(self, start: int, count: int) -> Shown:
        """Images start, …, start + count - 1 of the endless sequence."""
        at = [self._at(n) for n in range(start, start + count)]
        pixels = torch.stack([self._images[index].flip(axes) if axes else self._images[index] for index, axes in at])
        classes = None if self._classes is None else self._classes[[index for index, _ in at]]
        return Shown(pixels, classes)

    def _at(self, n: int) -> tuple[int, list[int]]:
        """Index of the n-th image, and the axes along which it is mirrored."""
        every = len(self._images) * len(self._mirrors)
        epoch, position = divmod(n, every)
        if epoch != self._epoch:
            self._order = np.random.default_rng([self._seed, epoch]).permutation(every)
            self._epoch = epoch
        mirror, index = divmod(int(self._order[position]), len(self._images))
        mirror_x, mirror_y = self._mirrors[mirror]
        return index, [axis for axis, mirrored in ((2, mirror_x), (1, mirror_y)) if mirrored]


class Prefetched:
    """Epochs whose next batch is prepared by a thread while a GPU computes, in pinned memory; the same batches."""

    def __init__(self, epochs: Epochs) -> None:
        self._epochs = epochs
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="batches")  # one: `Epochs` is not shared by threads
        self._next: tuple[int, int, Future[Shown]] | None = None

    def batch(self, start: int, count: int) -> Shown:
        """As `Epochs.batch`, for which it waits only where another batch was expected."""
        expected = self._next is not None and self._next[:2] == (start, count)
        future = self._next[2] if expected and self._next else self._worker.submit(self._prepare, start, count)
        shown = future.result()
        self._next = start + count, count, self._worker.submit(self._prepare, start + count, count)
        return shown

    def _prepare(self, start: int, count: int) -> Shown:
        shown = self._epochs.batch(start, count)
        return Shown(shown.pixels.pin_memory(), shown.classes) if torch.cuda.is_available() else shown


def _learned(lines: Sequence[ManifestLine], labels: Sequence[str]) -> list[list[ManifestLine]]:
    """Of each label, all different, what a generator learns from; the lines are gone through once for all of them."""
    chosen: dict[str, list[ManifestLine]] = {label: [] for label in labels}
    for line in lines:
        if line.label in chosen and _is_of(line, "train"):
            chosen[line.label].append(line)
    without = next((label for label, part in chosen.items() if not part), None)
    if without is not None:
        there = sorted({x.label for x in lines if x.split == "train" and x.is_real})
        right = f"labels with real training images: {listed(there) or 'none'}"
        raise InvalidInput(f"label {without!r} has no real training images; {right}", {"label": right})
    _refuse_tested([line for part in chosen.values() for line in part], lines)
    return list(chosen.values())


def _is_of(line: ManifestLine, split: str) -> bool:
    return line.split == split and line.is_real and line.judgement.verdict != "rejected"


def _refuse_tested(chosen: Sequence[ManifestLine], lines: Sequence[ManifestLine]) -> None:
    tested = [line for line in lines if line.split == "test"]
    hashes = {line.file.sha256 for line in tested}
    groups = {line.group for line in tested if line.group}
    leaked = [
        x for x in chosen if x.file.sha256 in hashes or x.group in groups or hashes.intersection(x.origin.parents)
    ]
    if leaked:
        right = "no image, and no image of the same part, may be in both splits; ingest the dataset again"
        example = leaked[0].origin.source or leaked[0].file.sha256
        raise InvalidInput(
            f"{len(leaked)} training images are also tested on (e.g. {example}): {right}", {"manifest_uri": right}
        )
