"""Named configurations: what the papers trained with, and what suits a CPU and parts of 32 to 128 px.

Published: `auto`, `stylegan2`, `paper256`, `paper512`, `paper1024`, `cifar` (Karras et al. 2020, arXiv:2006.06676,
appendix D; the values are those of the official implementation's presets). Where ours differ, and why:

- `small`, the default, is ours. The published ones take days on eight GPUs; `small` has a quarter of `auto`'s channels
  (channel base 4096) and latents of 64 below a base of 8192, half an hour to hours on two cores.
- Every published configuration computes its four highest resolutions in fp16 with a clamp of 256. Here that takes
  `precision: fp16`: a CPU is many times slower in it.
- `auto` was published for a number of GPUs; here it is that of one GPU.
- A batch is at least 2: `auto` would take 1 above 2048 px, which no network here has.
- Mirrored images are a matter of the part, not of a configuration: off everywhere, as published.
- Augmentation (`bgc`, target 0.6) is the same for all.
"""

from collections.abc import Mapping
from typing import Any

from defectory.job_settings.generator_training import SMALL_KIMG, ConfigName

SMALL_BASE = 8192  # below this channel_base the latents are small too
SMALL_LATENT, FULL_LATENT = 64, 512
RAMP = 0.05  # at the start the average's half-life is at most this share of the images seen so far
COMMON: Mapping[str, Any] = {"style_mixing": 0.9, "path_length_weight": 2.0, "channel_max": 512}
SMALL: Mapping[str, Any] = {"channel_base": 4096, "batch": 16, "learning_rate": 0.002, "kimg": SMALL_KIMG}

_PUBLISHED: Mapping[str, Mapping[str, Any]] = {
    "stylegan2": {
        "channel_base": 32768, "mapping_layers": 8, "deviation_group": 4, "batch": 32, "learning_rate": 0.002,
        "r1_gamma": 10.0, "ema_kimg": 10.0, "ema_ramp": 0.0, "kimg": 25_000.0,
    },
    "paper256": {
        "channel_base": 16384, "mapping_layers": 8, "deviation_group": 8, "batch": 64, "learning_rate": 0.0025,
        "r1_gamma": 1.0, "ema_kimg": 20.0, "ema_ramp": 0.0, "kimg": 25_000.0,
    },
    "paper512": {
        "channel_base": 32768, "mapping_layers": 8, "deviation_group": 8, "batch": 64, "learning_rate": 0.0025,
        "r1_gamma": 0.5, "ema_kimg": 20.0, "ema_ramp": 0.0, "kimg": 25_000.0,
    },
    "paper1024": {
        "channel_base": 32768, "mapping_layers": 8, "deviation_group": 4, "batch": 32, "learning_rate": 0.002,
        "r1_gamma": 2.0, "ema_kimg": 10.0, "ema_ramp": 0.0, "kimg": 25_000.0,
    },
    "cifar": {
        "channel_base": 32768, "mapping_layers": 2, "deviation_group": 32, "discriminator_skips": False, "batch": 64,
        "learning_rate": 0.0025, "r1_gamma": 0.01, "ema_kimg": 500.0, "ema_ramp": RAMP, "kimg": 100_000.0,
        "style_mixing": 0.0, "path_length_weight": 0.0,
    },
}  # fmt: skip


def defaults(name: ConfigName, resolution_px: int, batch: int | None, channel_base: int | None) -> dict[str, Any]:
    """Settings of a configuration, by name.

    Args:
        resolution_px: of the images.
        batch, channel_base: where they are given, what depends on them follows.
    """
    if name in _PUBLISHED:
        return {**COMMON, "z_dim": FULL_LATENT, "w_dim": FULL_LATENT, **_PUBLISHED[name]}
    derived = _auto(resolution_px) if name == "auto" else _small(channel_base)
    count = batch or derived["batch"]
    return {
        **COMMON,
        "mapping_layers": 2,
        "deviation_group": min(count, 4),
        "r1_gamma": 0.0002 * resolution_px**2 / count,
        "ema_kimg": count * 10 / 32,
        "ema_ramp": RAMP,
        **derived,
    }


def _auto(resolution_px: int) -> dict[str, Any]:
    return {
        "channel_base": 32768 if resolution_px >= 512 else 16384,
        "z_dim": FULL_LATENT,
        "w_dim": FULL_LATENT,
        "batch": max(min(4096 // max(resolution_px, 1), 32), 2),
        "learning_rate": 0.002 if resolution_px >= 1024 else 0.0025,
        "kimg": 25_000.0,
    }


def _small(channel_base: int | None) -> dict[str, Any]:
    latent = SMALL_LATENT if (channel_base or SMALL["channel_base"]) < SMALL_BASE else FULL_LATENT
    return {**SMALL, "z_dim": latent, "w_dim": latent}
