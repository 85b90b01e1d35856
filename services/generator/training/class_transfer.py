"""A class-conditional network that starts as an unconditional one: every class gives its pictures and its logits.

What is new is set so that it adds nothing, and can learn: the mapping's first layer has zeros where the class comes in;
every class has the direction (1, …, 1) in the discriminator, along which its last layer gives the logit of before, and
at random across it.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from services.generator.stylegan2.layers import ACT_GAIN, EqualLinear
from services.generator.stylegan2.networks import Discriminator, Generator

LR_MULTIPLIER = 0.01  # of mapping layers
FIRST = "mapping.layers.0.weight"
LAST_WEIGHT, LAST_BIAS = "out.weight", "out.bias"


@torch.no_grad()
def start_generator(generator: Generator, source: Mapping[str, Tensor]) -> list[str]:
    """Make every class give what the unconditional source gave; return the names of what was set.

    All else has been copied already. Nothing is done where the source has classes or other latents.
    """
    first, known = generator.mapping.layers[0], source.get(FIRST)
    assert isinstance(first, EqualLinear)
    weight = first.weight
    if generator.mapping.embedding is None or known is None or "mapping.embedding.weight" in source:
        return []
    size = generator.architecture.z_dim
    if known.shape != (len(weight), size):
        return []
    weight.zero_()
    weight[:, :size] = known * math.sqrt(weight.shape[1] / size)  # the layer divides by the root of its inputs
    return [FIRST, "mapping.embedding.weight", "mapping.embedding.bias"]


@torch.no_grad()
def start_discriminator(discriminator: Discriminator, source: Mapping[str, Tensor]) -> list[str]:
    """Make the logit of every class that of the unconditional source; return the names of what was set."""
    weight, bias = source.get(LAST_WEIGHT), source.get(LAST_BIAS)
    classes, out = discriminator.classes, discriminator.out
    if classes is None or weight is None or bias is None or "classes.embedding.weight" in source:
        return []
    width = out.weight.shape[1]
    if weight.shape != (1, width):
        return []
    last = classes.layers[-1]
    assert isinstance(last, EqualLinear)
    last.weight.zero_()
    last.bias.fill_(1 / (ACT_GAIN * LR_MULTIPLIER))  # after the activation: 1 everywhere
    # The projection sums over the width and divides by its root.
    out.weight.add_(weight / math.sqrt(width) - out.weight.mean(dim=0, keepdim=True))
    out.bias.copy_((bias / math.sqrt(width)).expand_as(out.bias))
    return [name for name in discriminator.state_dict() if name.startswith(("out.", "classes."))]
