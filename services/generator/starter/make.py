"""Makes the starter generator anew: draws pictures, trains on them, writes the files that are shipped.

    python -m services.generator.starter.make --store file:///tmp/starter

The same command again resumes; with more --kimg it goes on from there. With --onwards it starts from the shipped files.
"""

import argparse
import sys
from collections.abc import Mapping
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from defectory.storage import open_store
from services.generator import starter
from services.generator.starter.drawing import SIDE_PX, draw
from services.generator.training.loop import train
from services.generator.training.settings import TrainingSettings, resolve
from services.generator.training.trainer import Trainer
from services.generator.training.transfer import start_from

PREFIX = "models/generator/starter/1/"
REPORT_EVERY = 1600  # images
SHIPPED_KIMG = 172.0  # of the shipped files, by their card


def main() -> None:
    """Draw, train, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--store", required=True, help="where checkpoints go, e.g. file:///tmp/starter")
    parser.add_argument("--images", type=int, default=6000, help="pictures to draw")
    parser.add_argument("--kimg", type=float, default=SHIPPED_KIMG)
    parser.add_argument("--onwards", action="store_true", help="start from the shipped files; --kimg counts from there")
    parser.add_argument("--out", type=Path, default=Path(starter.__file__).parent)
    given = parser.parse_args()
    with get_context("spawn").Pool() as pool:
        drawn = pool.map(draw, range(given.images), chunksize=100)
    pictures = torch.from_numpy(np.stack(drawn)).permute(0, 3, 1, 2).contiguous()
    chosen = training_settings(given.kimg)
    store, before = open_store(given.store), starter.read_card().kimg if given.onwards else 0.0

    def begin() -> Trainer:
        trainer = Trainer(pictures, chosen, 0)
        if given.onwards:
            start_from(trainer, store, starter.NAME)
        return trainer

    trainer = train(begin, store, PREFIX, {"images": given.images}, _report).trainer
    tensors = {f"g/{name}": value for name, value in trainer.average.state_dict().items()}
    tensors |= {f"d/{name}": value for name, value in trainer.discriminator.state_dict().items()}
    starter.write(given.out, tensors, chosen.architecture, before + trainer.images_seen / 1000, given.images)


def training_settings(kimg: float) -> TrainingSettings:
    """Six thousand different pictures do not overfit in a few hundred kimg: no augmentation."""
    values = {
        "channel_base": 1024, "kimg": kimg, "batch": 16, "learning_rate": 0.0025, "r1_gamma": 0.5, "mirror_x": True,
        "augment_mode": "none", "snapshot_kimg": 4.0, "ema_kimg": 10.0,
    }  # fmt: skip
    return resolve(values, size_px=SIDE_PX, channels=3)


def _report(images_seen: int, values: Mapping[str, float], sample_key: str) -> None:
    if images_seen % REPORT_EVERY == 0:
        losses = ", ".join(f"{name} {value:.3g}" for name, value in values.items())
        sys.stdout.write(f"{images_seen / 1000:.1f} kimg: {losses}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
