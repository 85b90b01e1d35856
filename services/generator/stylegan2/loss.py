"""Losses of StyleGAN2: non-saturating logistic loss, R1 penalty, path-length regularisation.

References:
    [1] Goodfellow et al. 2014, "Generative Adversarial Nets" (arXiv:1406.2661): the non-saturating loss.
    [2] Mescheder et al. 2018, "Which Training Methods for GANs do actually Converge?" (arXiv:1801.04406): R1.
    [3] Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN" (arXiv:1912.04958): path length,
        section 3.2 and equation 4; lazy regularisation, section 3.1.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

PATH_LENGTH_DECAY = 0.01  # of the running mean of path lengths, a batch


def generator_loss(fake_logits: Tensor) -> Tensor:
    """-log sigmoid(D(G(z))), mean over the batch [1]."""
    return F.softplus(-fake_logits).mean()


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """-log sigmoid(D(x)) - log(1 - sigmoid(D(G(z)))), mean over the batch [1]."""
    return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()


def r1_penalty(real: Tensor, real_logits: Tensor, gamma: float) -> Tensor:
    """gamma / 2 times the mean squared norm of the logits' gradient by the real images [2].

    Shapes:
        real: (N, C, H, W) that requires grad; real_logits: (N,); returns ()
    """
    (gradient,) = torch.autograd.grad(real_logits.sum(), real, create_graph=True)
    return gradient.square().sum(dim=(1, 2, 3)).mean() * (gamma / 2)


def path_lengths(images: Tensor, ws: Tensor, direction: Tensor) -> Tensor:
    """Length of J_w^T y for random images y: how far the image moves for a step in w [3].

    Shapes:
        images: (N, C, H, W) made from ws: (N, styles, D); direction: (N, C, H, W) standard normal; returns (N,)
    """
    height, width = images.shape[2:]
    (gradient,) = torch.autograd.grad((images * direction).sum() / math.sqrt(height * width), ws, create_graph=True)
    return gradient.square().sum(dim=2).mean(dim=1).sqrt()


def path_length_penalty(
    lengths: Tensor, mean: Tensor, weight: float, observed: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """weight times the mean squared distance of the lengths from their running mean, and that mean, updated [3].

    Shapes:
        lengths: (N,); mean: () without gradient; observed: (), by which the mean is updated, where the lengths are
        only some of a batch's; returns (), ()
    """
    mean = torch.lerp(mean, lengths.detach().mean() if observed is None else observed, PATH_LENGTH_DECAY)
    return (lengths - mean).square().mean() * weight, mean
