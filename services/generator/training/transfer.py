"""Start from another model, in the store or shipped: what fits by name is copied, the rest stays random and is named.

Resolutions may differ: blocks are named after theirs. So may channels: a grey picture is one whose colours are equal.
"""

import math
from collections.abc import Collection, Mapping, Sequence

import structlog
import torch
from torch import Tensor

from defectory.errors import InvalidInput
from defectory.models import resolve
from defectory.storage import ObjectStore
from services.generator import bundle, starter
from services.generator.stylegan2.networks import Architecture, Discriminator, Generator
from services.generator.tensors import under
from services.generator.training import class_transfer
from services.generator.training.checkpoints import newest_tensors
from services.generator.training.trainer import Trainer

log = structlog.get_logger(__name__)


def full_name(store: ObjectStore, model: str) -> str:
    """ "starter", or "name/version" of a model in the store.

    Raises:
        NotFound: there is no such model.
    """
    return model if model == starter.NAME else "/".join(resolve(store, bundle.KIND, model))


def architecture_of(store: ObjectStore, model: str) -> Architecture:
    """Of the model of a full name.

    Raises:
        NotFound, Corrupted: the model.
    """
    return starter.read_card().architecture if model == starter.NAME else bundle.read_card(store, model).architecture


def _check_frozen(trainer: Trainer, not_copied: Collection[str]) -> None:
    """See that what stays as it is of the discriminator was copied: random layers that never learn would spoil it.

    Args:
        not_copied: names of weights, as `start_from` gives them.

    Raises:
        InvalidInput: some of it was not; names the layers.
    """
    learning = {id(parameter) for parameter in trainer.discriminator.trained(trainer.settings.freeze_d)}
    frozen = [name for name, x in trainer.discriminator.named_parameters() if id(x) not in learning]
    random = [name.rpartition(".")[0] for name in frozen if f"d/{name}" in not_copied]
    if random:
        right = "0, or fewer resolutions, or an initial model whose discriminator has these layers"
        layers = ", ".join(dict.fromkeys(random))
        raise InvalidInput(
            f"freeze_d is {trainer.settings.freeze_d}, but the initial model has no discriminator's {layers}: {right}",
            {"settings.freeze_d": right},
        )


def start_from(trainer: Trainer, store: ObjectStore, model: str, labels: Sequence[str] = ()) -> list[str]:
    """Copy what fits of a model into a new training.

    The generator starts from the model's averaged weights; the discriminator from the model's last checkpoint, where it
    is still there.

    Args:
        labels: of the training's classes, in their order; none: it learns one label.

    Returns:
        names of weights that stay random.

    Raises:
        NotFound, Corrupted: the model. InvalidInput: what is frozen would stay random.
    """
    tensors, known = (starter.read_tensors(), ()) if model == starter.NAME else _stored(store, model)
    generator, discriminator = under(tensors, "g/"), under(tensors, "d/")
    left = copy_matching(trainer.generator, generator)
    started = class_transfer.start_generator(trainer.generator, generator)
    started += class_transfer.copy_classes(trainer.generator, generator, labels, known)
    trainer.average.load_state_dict(trainer.generator.state_dict())
    left = [f"g/{name}" for name in left if name not in started]
    unfit = copy_matching(trainer.discriminator, discriminator)
    started = class_transfer.start_discriminator(trainer.discriminator, discriminator)
    started += class_transfer.copy_classes(trainer.discriminator, discriminator, labels, known)
    left += [f"d/{name}" for name in unfit if name not in started]
    _check_frozen(trainer, left)
    if model != starter.NAME:  # what the starter makes is no part of anybody's: its average is forgotten as noise is
        trainer.ema_ramp_up = False
    log.info("transfer", source=model, not_copied=left)
    if labels and known:
        dropped, new = [x for x in known if x not in labels], [x for x in labels if x not in known]
        log.info("classes by name", source=model, dropped=dropped, new_from_the_mean=new)
    return left


@torch.no_grad()
def copy_matching(target: Generator | Discriminator, source: Mapping[str, Tensor]) -> list[str]:
    """Copy tensors of the same name and shape; return the names of the target's that were not among them."""
    left = []
    for name, value in target.state_dict().items():
        tensor = source.get(name)
        if tensor is not None and tensor.shape != value.shape:
            tensor = _recoloured(name, tensor, value.shape, target.architecture.resolution_px)
        if tensor is None:
            left.append(name)
        else:
            value.copy_(tensor)
    return left


def _recoloured(name: str, weight: Tensor, shape: torch.Size, resolution_px: int) -> Tensor | None:
    """A weight at the picture's side for another number of channels, or None where that is not it.

    Grey is the mean of the colours. Alpha that is new is opaque everywhere, and the discriminator does not look at it.
    """
    at_picture = name.endswith((".to_image.weight", ".to_image.bias"))
    if at_picture and len(weight) != shape[0] and weight.shape[1:] == shape[1:]:
        colours = weight[:3]
        if shape[0] == 1:
            return colours.mean(dim=0, keepdim=True)
        rgb = colours.expand(3, *shape[1:])
        # At the highest resolution only: what is up-sampled fades at the borders.
        opaque = torch.full_like(weight[:1], float(name.endswith(f".b{resolution_px}.to_image.bias")))
        return torch.cat([rgb, opaque]) if shape[0] == 4 else rgb
    if name == "from_image.weight" and weight.shape[1] != shape[1] and len(weight) == shape[0]:
        # The layer divides by the root of its inputs; the same picture is to give what it gave before.
        weight = weight[:, :3] * math.sqrt(shape[1] / weight.shape[1])
        if shape[1] == 1:
            return weight.sum(dim=1, keepdim=True)
        rgb = weight if weight.shape[1] == 3 else weight.expand(-1, 3, -1, -1) / 3
        return torch.cat([rgb, torch.zeros_like(rgb[:, :1])], dim=1) if shape[1] == 4 else rgb
    return None


def _stored(store: ObjectStore, model: str) -> tuple[dict[str, Tensor], Sequence[str]]:
    """Averaged generator ("g/") and, where a checkpoint is left, discriminator ("d/") of a model; its classes."""
    source, card = bundle.load(store, model)
    tensors = {key: value for key, value in (newest_tensors(store, card.prefix) or {}).items() if key.startswith("d/")}
    return tensors | {f"g/{name}": value for name, value in source.state_dict().items()}, card.class_names
