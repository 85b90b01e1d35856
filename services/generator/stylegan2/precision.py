"""Half precision in the highest resolutions: which blocks of a network compute in it.

Reference: [1] Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data" (arXiv:2006.06676),
appendix on mixed precision: fp16 in the four highest resolutions, every layer's output clamped to +-256, modulation
normalised beforehand, no scaling of the loss.

Weights, styles, images, the losses and all optimiser states stay in fp32; activations of a block are what is halved.
"""

import torch

from defectory.job_settings.rendering import Precision
from services.generator.stylegan2.networks import Discriminator, DiscriminatorBlock, Generator, SynthesisBlock

HALVES = {"fp16": torch.float16, "bf16": torch.bfloat16}
CLAMP = 256.0  # bound of every layer's output in fp16 [1]
LOWEST_PX = 8  # 4 px, with the minibatch deviation, always stays in fp32


def use_precision(network: Generator | Discriminator, precision: Precision, resolutions: int) -> None:
    """Let so many of the highest resolutions of a network compute in a precision; the others as their weights are."""
    blocks = network.synthesis.blocks if isinstance(network, Generator) else network.blocks
    halved = [r for r in network.architecture.resolutions if r >= LOWEST_PX][-resolutions:]
    for name, block in blocks.items():
        assert isinstance(block, (SynthesisBlock, DiscriminatorBlock))
        block.computed_in = HALVES.get(precision) if int(name.removeprefix("b")) in halved else None
