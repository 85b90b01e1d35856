"""How far pictures are apart to an eye, without a network trained on photographs.

StyleGAN2's projection compares by LPIPS, a VGG network's activations (Zhang et al. 2018, arXiv:1801.03924), whose
weights are neither shipped nor always to be had. Here pictures are compared at several scales, by level and by slope
(what edges and textures are made of), and by the activations of the model's own discriminator where it is kept: it has
learned what matters in just these pictures.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from services.generator.stylegan2.networks import Discriminator

SMALLEST_PX = 4
SLOPE_WEIGHT = 2.0  # slopes are smaller than levels; so they weigh about as much
FEATURE_WEIGHT = 0.1
MAX_COMPARED_PX = 256  # larger pictures are compared at this size (Karras et al. 2020, appendix D)


class PictureDistance:
    """Distance to fixed targets.

    Args:
        targets: (N, C, R, R) in [-1, 1].
        discriminator: of the generator that is searched, or None.
    """

    def __init__(self, targets: Tensor, discriminator: Discriminator | None) -> None:
        self._discriminator = discriminator
        with torch.no_grad():
            self._scales = _scales(targets)
            self._features = self._activations(targets)

    def __call__(self, images: Tensor) -> Tensor:
        """Distance of each image (N, C, R, R) to its target: (N,), 0 for equal pictures."""
        pairs = list(zip(_scales(images), self._scales, strict=True))
        total = sum((_mean_square(a - b) for a, b in pairs), torch.zeros(len(images), device=images.device))
        total = total + SLOPE_WEIGHT * sum(
            _mean_square(da - db) for a, b in pairs for da, db in zip(_slopes(a), _slopes(b), strict=True)
        )
        total = total / len(pairs)
        if self._discriminator is None:
            return total
        features = zip(self._activations(images), self._features, strict=True)
        return total + FEATURE_WEIGHT * sum(_mean_square(a - b) * a.shape[1] for a, b in features) / len(self._features)

    def _activations(self, images: Tensor) -> list[Tensor]:
        """Activations of the discriminator's blocks, each pixel's of length one, as LPIPS has them."""
        if self._discriminator is None:
            return []
        x = self._discriminator.from_image(images.contiguous(memory_format=torch.channels_last))
        activations = []
        for block in self._discriminator.blocks.values():
            x = block(x)
            activations.append(x / (x.square().sum(dim=1, keepdim=True) + 1e-8).sqrt())
        return activations


def _scales(images: Tensor) -> list[Tensor]:
    """Images at halving sizes, from `MAX_COMPARED_PX` down to `SMALLEST_PX`."""
    while images.shape[-1] > MAX_COMPARED_PX:
        images = F.avg_pool2d(images, 2)
    scales = [images]
    while scales[-1].shape[-1] > SMALLEST_PX:
        scales.append(F.avg_pool2d(scales[-1], 2))
    return scales


def _slopes(images: Tensor) -> tuple[Tensor, Tensor]:
    return images[..., 1:, :] - images[..., :-1, :], images[..., 1:] - images[..., :-1]


def _mean_square(x: Tensor) -> Tensor:
    return x.square().flatten(1).mean(dim=1)
