"""Makes a dataset of synthetic images: computed in batches, encoded and written meanwhile, taken up where it was."""

import hashlib
import json
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from PIL import Image

from defectory.datasets.manifest import (
    card_key,
    dump_lines,
    image_key,
    manifest_key,
    mask_key,
    parse_lines,
    read_card,
    write_dataset,
)
from defectory.datasets.manifest_line import ManifestLine, MaskFile, Origin, PictureFile, Synthesis
from defectory.errors import AlreadyExists, InvalidInput
from defectory.imaging import encode_png
from defectory.job_settings.rendering import HALF_RESOLUTIONS, NoiseMode, Precision
from defectory.models import check_name
from defectory.storage import ObjectStore
from defectory.storage.references import rooted, unrooted
from services.generator.bundle import GeneratorCard
from services.generator.rendering import batch_size, colours_of, defect_of, render
from services.generator.stylegan2.networks import Generator
from services.generator.stylegan2.precision import use_precision

PART_IMAGES = 256  # images whose lines are written together: so much is computed again after a kill
WRITERS = 8
MAX_COUNT = 1_000_000
MAX_SEEDS = 100_000  # given one by one: they travel in the request
SEED_LIMIT = 2**32
# Settings that a recipe holds only where they were given.
LATER = ("seeds", "label", "restore_size", "precision", "half_resolutions")

Progress = Callable[[int, int], None]  # images done, images in all; may raise to stop


@dataclass(frozen=True)
class SynthesisSettings:
    """What to make: `count` images of the seeds from `first_seed` on, or of the seeds given one by one."""

    count: int
    first_seed: int = 0
    truncation_psi: float = 1.0
    noise_mode: NoiseMode = "random"
    seeds: tuple[int, ...] = ()
    label: str = ""  # class of a class-conditional generator; empty: its classes in turn
    restore_size: bool = False  # undo the stretch of ingest: as large as the photographs were
    precision: Precision = "fp32"  # arithmetic of the highest resolutions
    half_resolutions: int = HALF_RESOLUTIONS  # how many of them
    truncation_cutoff: int | None = None  # styles that are truncated, the coarsest; None: all

    def chosen(self, start: int, end: int) -> Sequence[int]:
        """Seeds of the images start, …, end - 1."""
        return self.seeds[start:end] if self.seeds else range(self.first_seed + start, self.first_seed + end)

    def recipe(self) -> dict[str, Any]:
        """The settings as JSON has them; without what was not given and came later, so that old recipes stay equal."""
        fields = {**asdict(self), "seeds": list(self.seeds), **self.arithmetic()}
        return {name: value for name, value in fields.items() if value is not None and (value or name not in LATER)}

    def arithmetic(self) -> dict[str, Any]:
        """Precision and the number of resolutions that it is for, as a line's `synthesis` has them: in fp32 neither."""
        half = self.precision != "fp32"
        return {
            "precision": self.precision if half else "",
            "half_resolutions": self.half_resolutions if half else 0,
        }


def check(settings: SynthesisSettings, dataset: str) -> None:
    """See that count and seeds are in their range.

    Raises:
        InvalidInput: names every field that is not.
    """
    wrong = {}
    if not 1 <= settings.count <= MAX_COUNT:
        wrong["count"] = f"{settings.count}: 1 to {MAX_COUNT}"
    if not 0 <= settings.first_seed <= SEED_LIMIT - max(settings.count, 1):
        wrong["first_seed"] = f"{settings.first_seed}: 0 to 2^32 - count"
    if settings.seeds:
        wrong |= _seed_problems(settings)
    if wrong:
        raise InvalidInput("; ".join(f"{k} is {v}" for k, v in wrong.items()), wrong)
    check_name(dataset, "dataset")


def _seed_problems(settings: SynthesisSettings) -> dict[str, str]:
    """What is wrong with seeds that were given one by one."""
    seeds = settings.seeds
    if len(seeds) > MAX_SEEDS or len(set(seeds)) < len(seeds) or not all(0 <= seed < SEED_LIMIT for seed in seeds):
        return {"seeds": f"a list of {len(seeds)}: at most {MAX_SEEDS}, all different, each from 0 to 2^32 - 1"}
    if settings.count != len(seeds) or settings.first_seed:
        return {"seeds": "given together with another count or a first_seed: leave those out"}
    return {}


def synthesize(
    store: ObjectStore,
    generator: Generator,
    card: GeneratorCard,
    settings: SynthesisSettings,
    dataset: str,
    progress: Progress,
) -> str:
    """Make the images and write them as a dataset; what an interrupted call of the same kind finished is kept.

    The network computes in the settings' precision from then on.

    Returns:
        URI of the manifest.

    Raises:
        AlreadyExists: the dataset is there, made otherwise. Whatever progress raises.
    """
    recipe = {"generator": card.full_name, "weights_sha256": card.weights_sha256, **settings.recipe()}
    if _is_there(store, dataset, recipe):
        return store.uri(manifest_key(dataset))
    class_index = card.class_index(settings.label)
    use_precision(generator, settings.precision, settings.half_resolutions)
    writer = _DatasetWriter(store, dataset, card, settings, recipe)
    with ThreadPoolExecutor(WRITERS, thread_name_prefix="write") as pool:
        pending: deque[tuple[int, list[Future[ManifestLine]]]] = deque()
        lines: dict[int, list[ManifestLine]] = writer.finished_parts()
        done = sum(map(len, lines.values()))
        progress(done, settings.count)
        for start in range(0, settings.count, PART_IMAGES):
            if start in lines:
                continue
            futures: list[Future[ManifestLine]] = []
            pending.append((start, futures))
            for seeds in _batches(settings, start, batch_size(card.architecture.resolution_px)):
                images = render(
                    generator,
                    seeds,
                    truncation_psi=settings.truncation_psi,
                    truncation_cutoff=settings.truncation_cutoff,
                    noise_mode=settings.noise_mode,
                    label=class_index,
                )
                futures += [
                    pool.submit(writer.write_image, seed, image) for seed, image in zip(seeds, images, strict=True)
                ]
                done += len(seeds)
                progress(min(done, settings.count - 1), settings.count)  # the last word comes with the manifest
            if len(pending) > 1:  # one part is written while the next is computed
                writer.finish_part(lines, *pending.popleft())
        while pending:
            writer.finish_part(lines, *pending.popleft())
    ordered = [line for start in sorted(lines) for line in lines[start]]
    uri = write_dataset(store, dataset, ordered, {"synthesis": recipe})
    writer.remove_parts()
    progress(settings.count, settings.count)
    return uri


class _DatasetWriter:
    """Writes images and parts of the manifest of one dataset."""

    def __init__(
        self,
        store: ObjectStore,
        dataset: str,
        card: GeneratorCard,
        settings: SynthesisSettings,
        recipe: dict[str, Any],
    ) -> None:
        self._store = store
        self._dataset = dataset
        self._card = card
        self._settings = settings
        self._size_px = card.restored_size() if settings.restore_size else None
        digest = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()
        self._prefix = f"datasets/{dataset}/parts/{digest[:16]}/"

    def write_image(self, seed: int, image: np.ndarray) -> ManifestLine:
        """Write one image (R, R, C), brought back to its original size if that is wanted, and describe it."""
        pixels = colours_of(image, self._card.architecture)
        mask = Image.fromarray(defect_of(image) * np.uint8(255)) if self._card.architecture.mask else None
        if self._size_px is not None:
            pixels = np.asarray(Image.fromarray(pixels.squeeze()).resize(self._size_px, Image.Resampling.LANCZOS))
            mask = mask and mask.resize(self._size_px, Image.Resampling.NEAREST)
        data = encode_png(pixels)
        sha256 = hashlib.sha256(data).hexdigest()
        key = image_key(self._dataset, sha256)
        with suppress(AlreadyExists):  # content-addressed: it can only be the same
            self._store.put(key, data, if_absent=True)
        return ManifestLine(
            file=PictureFile(uri=self._store.uri(key), sha256=sha256, width=pixels.shape[1], height=pixels.shape[0]),
            label=self._card.label_of(self._settings.label, seed),
            mask=self._written(mask) if mask is not None and mask.getbbox() else None,
            origin=Origin(kind="synthetic"),
            synthesis=Synthesis(
                generator=self._card.full_name,
                seed=seed,
                truncation_psi=self._settings.truncation_psi,
                truncation_cutoff=self._settings.truncation_cutoff,
                noise_mode=self._settings.noise_mode,
                resolution_px=self._card.architecture.resolution_px if self._size_px else None,
                **self._settings.arithmetic(),
            ),
        )

    def _written(self, mask: Image.Image) -> MaskFile:
        """A mask, as the line of its image names it."""
        data = encode_png(mask)
        sha256 = hashlib.sha256(data).hexdigest()
        key = mask_key(self._dataset, sha256)
        with suppress(AlreadyExists):
            self._store.put(key, data, if_absent=True)
        return MaskFile(uri=self._store.uri(key), sha256=sha256)

    def finish_part(
        self, lines: dict[int, list[ManifestLine]], start: int, futures: list[Future[ManifestLine]]
    ) -> None:
        """Wait for the images of a part and write its lines: it is not computed again."""
        lines[start] = [future.result() for future in futures]
        self._store.put(f"{self._prefix}{start:08d}.jsonl", unrooted(dump_lines(lines[start]), self._store))

    def finished_parts(self) -> dict[int, list[ManifestLine]]:
        """Lines of the parts that are there, by the position of their first image."""
        parts = {}
        for info in self._store.list(self._prefix):
            start = int(info.key.removeprefix(self._prefix).removesuffix(".jsonl"))
            parts[start] = parse_lines(rooted(self._store.get(info.key), self._store), info.key)
        return parts

    def remove_parts(self) -> None:
        """Remove the parts: the manifest holds their lines."""
        for key in [info.key for info in self._store.list(self._prefix)]:
            self._store.delete(key)


def _is_there(store: ObjectStore, dataset: str, recipe: dict[str, Any]) -> bool:
    """Whether the dataset is complete; AlreadyExists when it was made in another way."""
    if not store.exists(card_key(dataset)):
        return False
    if read_card(store, dataset).get("synthesis") != recipe:
        raise AlreadyExists(f"dataset {dataset!r} exists and was made otherwise; choose another name")
    return True


def _batches(settings: SynthesisSettings, start: int, size: int) -> list[Sequence[int]]:
    """Seeds of the part that starts at a position, batch by batch."""
    end = min(start + PART_IMAGES, settings.count)
    return [settings.chosen(at, min(at + size, end)) for at in range(start, end, size)]
