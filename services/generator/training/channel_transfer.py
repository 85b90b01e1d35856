"""A network that starts from one of pictures with other channels: grey or colours, with alpha, with a mask, or without.

Grey is the mean of the colours, and colours that are equal are grey. What is new beside the colours is what a picture
without it shows, alpha that is opaque or a mask that is empty, and the discriminator does not look at it yet.
"""

import math

import torch
from torch import Tensor

from services.generator.stylegan2.networks import Architecture

OPAQUE, EMPTY = 1.0, -1.0  # levels of alpha and of a mask


def refitted(name: str, weight: Tensor, shape: torch.Size, target: Architecture, masked: bool) -> Tensor | None:
    """A weight for another network; None where it fits neither as it is nor as one at the picture's side.

    Args:
        name, shape: of the target's weight.
        masked: the last channel of the images that the weight was learned from is a mask.
    """
    if weight.shape == shape and masked == target.mask:
        return weight
    if name.endswith((".to_image.weight", ".to_image.bias")) and weight.shape[1:] == shape[1:]:
        # At the highest resolution only: what is up-sampled fades at the borders.
        fills = name.endswith(f".b{target.resolution_px}.to_image.bias")
        return _to_image(weight, target, masked, (EMPTY if target.mask else OPAQUE) if fills else 0.0)
    if name == "from_image.weight" and len(weight) == shape[0]:
        return _from_image(weight, target, masked)
    return weight if weight.shape == shape else None


def _to_image(weight: Tensor, target: Architecture, masked: bool, beside: float) -> Tensor:
    """(C, …) of a layer that makes a picture; `beside`: the level of a channel that is new beside the colours."""
    colours = weight[:-1] if masked else weight[:3]
    colours = colours.mean(dim=0, keepdim=True) if target.colours == 1 else colours.expand(3, *weight.shape[1:])
    if target.channels == len(colours):
        return colours
    return torch.cat([colours, weight[-1:] if masked and target.mask else torch.full_like(weight[:1], beside)])


def _from_image(weight: Tensor, target: Architecture, masked: bool) -> Tensor:
    """(O, C, 1, 1) of the layer that sees a picture.

    It divides by the root of its inputs; the same picture is to give what it gave before.
    """
    weight = weight * math.sqrt(target.channels / weight.shape[1])
    colours = weight[:, :-1] if masked else weight[:, :3]
    if target.colours == 1:
        colours = colours.sum(dim=1, keepdim=True)
    elif colours.shape[1] == 1:
        colours = colours.expand(-1, 3, -1, -1) / 3
    if target.channels == colours.shape[1]:
        return colours
    seen = weight[:, -1:] if masked and target.mask else torch.zeros_like(weight[:, :1])
    return torch.cat([colours, seen], dim=1)
