"""Losses of the steps since somebody last asked: summed on the device, so that no step waits for them."""

from collections.abc import Mapping

import torch
from torch import Tensor

from services.generator.training.distributed import World


class Losses:
    """Means of losses by name; what was once not finite stays so until it is read."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}

    def add(self, values: Mapping[str, Tensor]) -> None:
        """Count a step: this process's share of each loss."""
        for name, value in values.items():
            self._sums[name] = self._sums[name] + value if name in self._sums else value
            self._counts[name] = self._counts.get(name, 0) + 1

    def read(self) -> dict[str, float]:
        """Means over the steps since the last call, the same on every process; waits for the device."""
        if not self._sums:
            return {}
        sums = self._world.total(torch.stack([value.double() for value in self._sums.values()])).tolist()
        means = {name: total / self._counts[name] for name, total in zip(self._sums, sums, strict=True)}
        self._sums, self._counts = {}, {}
        return means
