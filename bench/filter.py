"""The novelty gate at scale, and what it finds: `python -m bench.filter`.

Each row runs in a process of its own, so that its peak memory is its own.
"""

import argparse
import multiprocessing
import resource
import sys
import time
from collections.abc import Callable

import numpy as np

from bench.record import record
from services.filter.features import earlier_twins, nearest_distance, unit_rows
from services.filter.novelty import Prepared, judge, limits
from services.filter.similarity import nearest
from services.filter.structure import SIDE, Gallery, Whitening

Work = Callable[[int, int], tuple[tuple[float, float], str]]  # made, real -> (seconds, core seconds), what was found
COMMAND = "python -m bench.filter"
CHANNELS = 1280
DIRECTIONS = 96  # that matter, as in a trained network's features
PLANTED = 1000  # near-duplicates
TEST = 2_000  # test images
RADIUS = 0.01  # cosine distance of near-duplicates
COLUMNS = ("work", "seconds", "core seconds", "peak MiB", "at most", "found")


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--synthetic", type=int, default=100_000)
    parser.add_argument("--real", type=int, default=10_000)
    parser.add_argument("--no-record", action="store_true", help="only print")
    given = parser.parse_args()
    fake, real = given.synthetic, given.real
    rows = [
        [f"{fake:,} × {real:,} embeddings of {CHANNELS}: nearest, near-duplicates", *alone(by_features, fake, real)],
        [f"{fake:,} × {real:,} images in pixels: nearest over flips and shifts", *alone(by_pixels, fake, real)],
        [f"{fake:,} × {real:,} images, {TEST:,} test images: the whole gate", *alone(whole, fake, real)],
    ]  # fmt: skip
    for row in rows:
        sys.stdout.write(" | ".join(row) + "\n")
    if not given.no_record:
        notes = (
            f"Embeddings are drawn at random with {DIRECTIONS} directions that matter, and {PLANTED} near-duplicates "
            "planted among them. None\ncan be missed: pairs are left out by a bound on their cosine only. In pixels "
            f"the 4 best sketches are registered over flips and shifts; {PLANTED} are flipped and shifted copies."
        )
        record("Novelty gate at scale", COMMAND, COLUMNS, rows, notes)


def alone(work: Work, fake: int, real: int) -> list[str]:
    """[seconds, core seconds, peak memory, what was asked, what was found] of the work in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        taken, finding, peak = pool.apply(_measured, (work, fake, real))
    return [f"{taken[0]:.1f}", f"{taken[1]:.1f}", f"{peak:.0f}", "-" if work is whole else "60 s, 2,048 MiB", finding]


def _measured(work: Work, fake: int, real: int) -> tuple[tuple[float, float], str, float]:
    taken, finding = work(fake, real)
    return taken, finding, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def by_features(fake: int, real: int) -> tuple[tuple[float, float], str]:
    """Embeddings: nearest real one and earlier near-duplicates of every synthetic image."""
    synthetic, training = _embeddings(fake, 1), _embeddings(real, 2)
    original = np.arange(0, fake // 2, max(1, fake // 2 // PLANTED))[:PLANTED]
    copy = fake // 2 + original
    noise = np.random.default_rng(3).standard_normal((len(copy), CHANNELS), np.float32)
    synthetic[copy] = synthetic[original] * (1 + 0.02 * noise)
    start = _now()
    synthetic, training = unit_rows(synthetic), unit_rows(training)
    nearest_distance(synthetic, training)
    twins = earlier_twins(synthetic, RADIUS)
    return _since(start), f"{np.mean(twins[copy] == original):.1%} of the near-duplicates"


def by_pixels(fake: int, real: int) -> tuple[tuple[float, float], str]:
    """Structures: the most similar real image of every synthetic one."""
    synthetic, gallery, original, _ = _galleries(fake, real)
    start = _now()
    closest, _ = nearest(synthetic, gallery)
    return _since(start), f"{np.mean(closest[: len(original)] == original):.1%} of the copies"


def whole(fake: int, real: int) -> tuple[tuple[float, float], str]:
    """Limits and findings: training and test images in pixels, all synthetic ones with all, and features."""
    gallery, train, original, whitening = _galleries(fake, real)
    first, again = len(original) + np.arange(len(original)), fake - 1 - np.arange(len(original))
    gallery.whitened[again] = np.roll(gallery.whitened[first], (2, 5), axis=(1, 2))
    gallery.sketches[again] = gallery.sketches[first]
    prepared = [
        Prepared(
            images, unit_rows(_embeddings(len(images), seed)), np.array(["good", "defect"])[np.arange(len(images)) % 2]
        )
        for images, seed in ((gallery, 1), (train, 2), (whitening.gallery(_structures(TEST, 3)), 3))
    ]
    begun = _now()
    bounds = limits(prepared[1], [str(i) for i in range(real)])
    findings = judge(*prepared, whitening.gallery(_structures(0, 0)), bounds)
    taken = _since(begun)
    copies = np.mean(["near_copy" in x.reasons for x in findings[: len(original)]])
    repeated = np.mean(["near_duplicate" in findings[i].reasons for i in again])
    return taken, f"{copies:.1%} of the copies, {repeated:.1%} of the near-duplicates"


def _galleries(fake: int, real: int) -> tuple[Gallery, Gallery, np.ndarray, Whitening]:
    """(synthetic images, training images, of which the first synthetic ones are copies, what whitens them)."""
    training = _structures(real, 1)
    whitening = Whitening(training[:2000])
    original = np.arange(0, real, max(1, real // PLANTED))[:PLANTED]
    copies = np.roll(training[original], (3, -4), axis=(1, 2))[:, :, ::-1]
    parts = [whitening.gallery(_structures(min(5000, fake - start), 10 + start)) for start in range(0, fake, 5000)]
    synthetic = Gallery(np.concatenate([p.whitened for p in parts]), np.concatenate([p.sketches for p in parts]))
    planted = whitening.gallery(copies)
    synthetic.whitened[: len(original)], synthetic.sketches[: len(original)] = planted.whitened, planted.sketches
    return synthetic, whitening.gallery(training), original, whitening


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _since(start: tuple[float, float]) -> tuple[float, float]:
    """(seconds, core seconds) since then; the latter hardly know what else the machine does."""
    wall, core = _now()
    return wall - start[0], core - start[1]


def _embeddings(count: int, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    weight = 1 / np.sqrt(np.arange(1, DIRECTIONS + 1, dtype=np.float32))
    basis = np.random.default_rng(0).standard_normal((DIRECTIONS, CHANNELS), np.float32) * weight[:, None]
    rows = np.empty((count, CHANNELS), np.float32)
    for start in range(0, count, 4096):
        size = min(4096, count - start)
        noise = 0.3 * random.standard_normal((size, CHANNELS), np.float32)
        rows[start : start + size] = np.maximum(
            random.standard_normal((size, DIRECTIONS), np.float32) @ basis + noise, 0
        )
    return rows


def _structures(count: int, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.standard_normal((count, SIDE, SIDE), np.float32).astype(np.float16)


if __name__ == "__main__":
    main()
