"""LeCam regularisation: what the discriminator says of an image stays near what it says on average of the other kind.

Of few images the discriminator soon knows each, and its logits for real and for generated ones run apart; this holds
them together, and does so beside augmentation, which acts on what it sees.

Reference: Tseng et al. 2021, "Regularizing Generative Adversarial Networks under Limited Data" (arXiv:2104.03310): the
two squared terms as the paper has them. Code that rectifies the differences first computes another loss.
"""

import torch
from torch import Tensor

DECAY = 0.99  # of the running means, a batch


def anchors_at_start(device: torch.device) -> Tensor:
    """Running means of the logits for real and for generated images, (2,): as of one who cannot tell them apart."""
    return torch.zeros(2, device=device)


def lecam_penalty(real_logits: Tensor, fake_logits: Tensor, anchors: Tensor) -> Tensor:
    """Mean squared distance of the logits from the running mean of those for the other kind of image.

    Shapes:
        real_logits, fake_logits: (N,); anchors: (2,) without gradient, for real and for generated images; returns ()
    """
    return (real_logits - anchors[1]).square().mean() + (fake_logits - anchors[0]).square().mean()


def moved(anchors: Tensor, means: Tensor) -> Tensor:
    """The running means behind a batch, whose own means are given: all (2,), for real and for generated images."""
    return torch.lerp(anchors, means, 1 - DECAY)
