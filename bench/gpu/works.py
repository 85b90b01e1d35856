"""What is computed: the networks, batches and arithmetics that a GPU is measured with."""

from dataclasses import dataclass
from typing import Any

import torch

from services.generator.stylegan2.networks import Architecture
from services.generator.training import settings
from services.generator.training.settings import TrainingSettings
from services.generator.training.trainer import Trainer

AUGMENT_P = 0.5
SEED = 0


@dataclass(frozen=True)
class Arithmetic:
    """How products are computed.

    Attributes:
        name: as the tables have it.
        values: settings of a training.
    """

    name: str
    values: tuple[tuple[str, Any], ...]


FP32 = Arithmetic("fp32", (("tf32", False),))
TF32 = Arithmetic("tf32", (("tf32", True),))
FP16 = Arithmetic("fp16 in the four highest resolutions, tf32 elsewhere", (("tf32", True), ("precision", "fp16")))
ARITHMETICS = (FP32, TF32, FP16)


@dataclass(frozen=True)
class Work:
    """A training at one size."""

    resolution_px: int
    channel_base: int
    batch: int

    @property
    def name(self) -> str:
        """As the tables have it."""
        return f"{self.resolution_px}², base {self.channel_base}, batch {self.batch}"

    @property
    def architecture(self) -> Architecture:
        """Of both networks, clamped as published for fp16."""
        return Architecture(resolution_px=self.resolution_px, channel_base=self.channel_base)

    def chosen(self, arithmetic: Arithmetic, device: str) -> TrainingSettings:
        """Settings of a training with ADA on at a p that stays."""
        values: dict[str, Any] = {
            "channel_base": self.channel_base, "z_dim": 512, "w_dim": 512, "batch": self.batch,
            "augment_mode": "fixed", "augment_p": AUGMENT_P, "device": device, **dict(arithmetic.values),
        }  # fmt: skip
        return settings.resolve(values, size_px=self.resolution_px, channels=3)

    def trainer(self, arithmetic: Arithmetic, device: str) -> Trainer:
        """A training before its first step, on drawn noise in place of photographs."""
        rng = torch.Generator().manual_seed(SEED)
        shape = 4 * self.batch, 3, self.resolution_px, self.resolution_px
        pixels = torch.randint(0, 256, shape, dtype=torch.uint8, generator=rng)
        return Trainer(pixels, self.chosen(arithmetic, device), SEED)


SIZES = (Work(64, 4096, 32), Work(128, 16384, 32), Work(256, 16384, 16), Work(512, 32768, 8))
SMALL_SIZES = (Work(16, 512, 4),)  # for a try on a CPU
EXACT = Work(64, 4096, 16)  # that numerics and resuming are looked at with
SMALL_EXACT = Work(16, 512, 4)


def wait(device: str) -> None:
    """Until the device has done what it was given."""
    if device == "cuda":
        torch.cuda.synchronize()
