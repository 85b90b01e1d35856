"""Start from another model: weights whose names and shapes match are copied, the rest stays random and is named."""

from collections.abc import Mapping

import structlog
import torch
from torch import Tensor, nn

from defectory.storage import ObjectStore
from services.generator import bundle
from services.generator.training.checkpoints import newest_tensors
from services.generator.training.trainer import Trainer

log = structlog.get_logger(__name__)


def start_from(trainer: Trainer, store: ObjectStore, model: str) -> list[str]:
    """Copy what fits of a model in the store into a new training.

    The generator starts from the model's averaged weights; the discriminator from the model's last checkpoint, where it
    is still there.

    Returns:
        names of weights that stay random.

    Raises:
        NotFound, Corrupted: the model.
    """
    source, card = bundle.load(store, model)
    left = [f"g/{name}" for name in copy_matching(trainer.generator, source.state_dict())]
    copy_matching(trainer.average, source.state_dict())
    tensors = newest_tensors(store, card.prefix) or {}
    discriminator = {key.removeprefix("d/"): value for key, value in tensors.items() if key.startswith("d/")}
    left += [f"d/{name}" for name in copy_matching(trainer.discriminator, discriminator)]
    trainer.ema_ramp_up = False  # the average starts from something good, not from noise
    log.info("transfer", source=card.full_name, not_copied=left)
    return left


@torch.no_grad()
def copy_matching(target: nn.Module, source: Mapping[str, Tensor]) -> list[str]:
    """Copy tensors of the same name and shape; return the names of the target's that were not among them."""
    left = []
    for name, value in target.state_dict().items():
        if name in source and source[name].shape == value.shape:
            value.copy_(source[name])
        else:
            left.append(name)
    return left
