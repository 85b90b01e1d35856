"""Where tensors lie: small random numbers are drawn on the CPU, large ones on the device; nobody waits for a copy.

A step's randomness is a function of one seed on every device: what a GPU computes of it is not the same to the bit, but
nothing is drawn twice or left out. Large normal fields (noise, directions) are drawn where they are used: drawing and
copying them would outlast the step.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def place(x: Tensor, device: torch.device) -> Tensor:
    """The tensor on a device; copies to a GPU go through pinned memory, and the host does not wait for them."""
    if x.device == device:
        return x
    if device.type == "cuda" and x.device.type == "cpu":
        return x.pin_memory().to(device, non_blocking=True)
    return x.to(device)


def normal(shape: Sequence[int], rng: torch.Generator, device: torch.device) -> Tensor:
    """A standard normal tensor on the device.

    Args:
        rng: on the CPU; another device draws from a generator of its own, whose seed is a number of this one.
    """
    if device.type == "cpu":
        return torch.randn(tuple(shape), generator=rng)
    own = torch.Generator(device).manual_seed(int(torch.randint(2**62, (), generator=rng)))
    return torch.randn(tuple(shape), generator=own, device=device)
