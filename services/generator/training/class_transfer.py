"""A class-conditional network that starts as another one.

From one that has classes, each gets what its namesake has learned, and one without a namesake the mean of all.

From an unconditional one, every class gives its pictures and its logits. What is new is set so that it changes nothing,
and can learn: the mapping's first layer has zeros where the class comes in; in the discriminator the directions of the
classes stay random, and its last layer is chosen so that the projection on each of them is the logit of before.
Differences between classes are then learned as fast as anything.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from services.generator.stylegan2.layers import EqualLinear
from services.generator.stylegan2.networks import Discriminator, Generator

FIRST = "mapping.layers.0.weight"
LAST_WEIGHT, LAST_BIAS = "out.weight", "out.bias"
EMBEDDINGS = ("mapping.embedding.weight", "classes.embedding.weight")  # of generator and discriminator: (W, classes)


@torch.no_grad()
def copy_classes(
    network: Generator | Discriminator, source: Mapping[str, Tensor], labels: Sequence[str], known: Sequence[str]
) -> list[str]:
    """Give each class the embedding of the source's class of the same name, a new one the mean of all.

    Nothing is done where one of both has no classes, or embeddings of another width.

    Args:
        labels: names of the network's classes, in their order. known: of the source's.

    Returns:
        the names of what was set.
    """
    own = network.state_dict()
    name = next((name for name in EMBEDDINGS if name in own and name in source), None)
    if name is None or source[name].shape != (len(own[name]), len(known)) or own[name].shape[1] != len(labels):
        return []
    theirs, mean = source[name], source[name].mean(dim=1)
    columns = [theirs[:, known.index(label)] if label in known else mean for label in labels]
    # The layer divides by the root of its inputs, the classes.
    own[name].copy_(torch.stack(columns, dim=1) * math.sqrt(len(labels) / len(known)))
    return [name]


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
    """Make the logit of every class that of the unconditional source; return the names of what was set.

    Exact for as many classes as the discriminator is wide at 4 px, a compromise beyond.
    """
    weight, bias = source.get(LAST_WEIGHT), source.get(LAST_BIAS)
    classes, out = discriminator.classes, discriminator.out
    if classes is None or weight is None or bias is None or "classes.embedding.weight" in source:
        return []
    width = out.weight.shape[1]
    if weight.shape != (1, width):
        return []
    count = discriminator.architecture.classes
    directions = classes(torch.arange(count, device=weight.device))  # (K, W)
    inverse = torch.linalg.pinv(directions)  # (W, K)
    every = inverse.sum(dim=1, keepdim=True)  # (W, 1): its product with each direction is 1
    across = out.weight - inverse @ (directions @ out.weight)  # random, and no direction sees it
    # The projection divides by the root of the width.
    out.weight.copy_(across + every * weight * math.sqrt(width))
    out.bias.copy_(every[:, 0] * bias * math.sqrt(width))
    return [name for name in discriminator.state_dict() if name.startswith(("out.", "classes."))]
