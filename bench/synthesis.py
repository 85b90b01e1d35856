"""Images into the store beside the bare network: what encoding, hashing, writing and the manifest leave of its rate.

    python -m bench.synthesis [--only 64] [--share 1] [--threads 2]

Both sides in turns, in one process: a slice of images by the network alone (constant noise, one batch again and again),
then as many by `synthesize` into a folder store (random noise, PNG, manifest), in the environment of a worker: there
OpenMP's threads do not spin while the writers need the cores.
"""

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from bench.environment import as_worker
from bench.record import record
from defectory.storage import ObjectStore, open_store
from services.generator import bundle
from services.generator.rendering import batch_size
from services.generator.stylegan2.networks import Architecture, Generator, build
from services.generator.synthesis import SynthesisSettings, synthesize
from services.generator.training import settings

COMMAND = "python -m bench.synthesis"
COLUMNS = ("work", "network images/s", "into the store images/s", "share", "at least", "bytes an image")
SLICES = 5
BUILD = Path("build")  # on a disk, as a store is; not where temporary files may lie in memory


@dataclass(frozen=True)
class Work:
    """One row: so many images of one size."""

    resolution_px: int
    channel_base: int
    images: int
    wanted: float = 0.85  # of the bare network's rate

    @property
    def name(self) -> str:
        """As the table has it."""
        return f"{self.images} images {self.resolution_px}², base {self.channel_base}"


WORKS = (Work(64, 4096, 10_000), Work(256, 16384, 500))


def main() -> None:
    """Measure, print, and write the table when everything was measured in full."""
    as_worker("bench.synthesis")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", type=int, default=0, help="only this resolution")
    parser.add_argument("--share", type=float, default=1.0, help="of the images, for a quick look")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    BUILD.mkdir(exist_ok=True)
    rows = []
    for work in (w for w in WORKS if given.only in (0, w.resolution_px)):
        with tempfile.TemporaryDirectory(dir=BUILD) as folder:
            rows.append(
                measure(
                    work, open_store(f"file://{Path(folder).absolute()}/store"), max(1, int(work.images * given.share))
                )
            )
        sys.stdout.write(" | ".join(rows[-1]) + "\n")
        sys.stdout.flush()
    if not given.only and given.share == 1:
        notes = f"{given.threads} threads, untrained networks, a store in a folder; {SLICES} slices of each in turns."
        record("Synthesis into the store", COMMAND, COLUMNS, rows, notes, packages=("torch", "numpy", "pillow"))


def measure(work: Work, store: ObjectStore, images: int) -> list[str]:
    """One row of the table."""
    card = write_model(store, work)
    generator, _ = bundle.load(store, card.full_name)
    bare(generator, 1)  # warms up
    seconds = [0.0, 0.0]
    count = max(1, images // SLICES)
    for number in range(SLICES):
        start = time.perf_counter()
        bare(generator, count)
        middle = time.perf_counter()
        chosen = SynthesisSettings(count, first_seed=number * count, noise_mode="random")
        synthesize(store, generator, card, chosen, f"slice-{number}", lambda done, total: None)
        seconds[0] += middle - start
        seconds[1] += time.perf_counter() - middle
    written = [info.size_bytes for info in store.list("datasets/slice-0/images/")]
    alone, stored = (SLICES * count / s for s in seconds)
    return [
        work.name, f"{alone:.1f}", f"{stored:.1f}", f"{stored / alone:.2f}", f"{work.wanted}",
        f"{sum(written) / len(written):.0f}",
    ]  # fmt: skip


def bare(generator: Generator, images: int) -> None:
    """So many images by the network alone."""
    size = batch_size(generator.architecture.resolution_px)
    z = torch.randn(size, generator.architecture.z_dim)
    with torch.inference_mode():
        for _ in range(-(-images // size)):
            generator(z)


def write_model(store: ObjectStore, work: Work) -> bundle.GeneratorCard:
    """An untrained network as a model in the store; its noise is switched on, so that its images look like surfaces."""
    architecture = Architecture(resolution_px=work.resolution_px, channel_base=work.channel_base)
    network, _ = build(architecture, 0)
    tensors = network.state_dict()
    for name, value in tensors.items():
        if name.endswith("noise_strength"):
            value.fill_(0.1)
    chosen = settings.resolve(
        {"channel_base": work.channel_base}, size_px=work.resolution_px, channels=architecture.channels
    )
    fields = {
        "name": f"bench-{work.resolution_px}", "version": "1", "label": "bench", "architecture": architecture,
        "kimg": 0, "augment_p": 0, "manifest_uri": "", "content_hash": "", "training_images": 0, "settings": chosen,
        "seed": 0,
    }  # fmt: skip
    return bundle.write(store, fields, tensors)


if __name__ == "__main__":
    main()
