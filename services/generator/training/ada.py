"""The controller of adaptive augmentation: how often D's input is transformed, from how sure D is of real images.

Reference: Karras et al. 2020 (arXiv:2006.06676), section 3 and equation 1: r_t = E[sign(D(real))].
"""

from typing import Any, Literal

import torch
from torch import Tensor

from defectory.job_settings.generator_training import P_LIMIT

INTERVAL = 4  # batches between two adjustments


class AugmentControl:
    """Holds p; `observe` the logits of every real batch.

    Args:
        mode: "ada" moves p so that r_t meets its target, "fixed" keeps it, "none" keeps it at 0.
        p: the fixed probability; "ada" starts from 0.
        target: of r_t, in (0, 1).
        images_to_one: images in which p can go from 0 to 1.
        preset: which transformations, until they leak.
    """

    def __init__(
        self, mode: Literal["ada", "fixed", "none"], p: float, target: float, images_to_one: float, preset: str = "bgc"
    ) -> None:
        self._adaptive = mode == "ada"
        self._target = target
        self._images_to_one = images_to_one
        self.preset = preset
        self.limit = P_LIMIT
        self.p = p if mode == "fixed" else 0.0
        self.r_t = 0.0  # over the last whole interval
        self._signs = torch.zeros(())  # sum of the signs so far, on the logits' device
        self._images = 0
        self._batches = 0

    def observe(self, signs: Tensor, images: int) -> None:
        """Count a batch, and adjust p after every fourth: only then the host waits for the device.

        Args:
            signs: (), sum of the signs of D's logits for the batch's real images.
            images: their number.
        """
        self._signs = signs if not self._images else self._signs.to(signs.device) + signs
        self._images += images
        self._batches += 1
        if self._batches < INTERVAL:
            return
        self.r_t = float(self._signs) / self._images
        if self._adaptive:
            direction = (self.r_t > self._target) - (self.r_t < self._target)
            self.p = min(max(self.p + direction * self._images / self._images_to_one, 0.0), self.limit)
        self._signs, self._images, self._batches = torch.zeros(()), 0, 0

    def fall_back(self, preset: str) -> None:
        """Augment half as often, and never more than that again, with another preset; none for ""."""
        self.preset = preset
        self.limit = self.p = self.p / 2 if preset else 0.0

    def state(self) -> dict[str, float | int | str]:
        """Everything that changes."""
        return {
            "preset": self.preset,
            "limit": self.limit,
            "p": self.p,
            "r_t": self.r_t,
            "sign_sum": float(self._signs),
            "images": self._images,
            "batches": self._batches,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Back to a `state()`."""
        self.preset, self.limit = str(state["preset"]), float(state["limit"])
        self.p, self.r_t, self._signs = float(state["p"]), float(state["r_t"]), torch.tensor(float(state["sign_sum"]))
        self._images, self._batches = int(state["images"]), int(state["batches"])
