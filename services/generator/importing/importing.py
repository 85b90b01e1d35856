"""An official network pickle becomes a generator in the store, its discriminator beside it for who starts from it."""

import hashlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from defectory.errors import Corrupted, InvalidInput
from defectory.job_settings.generator_training import ShapeSettings
from defectory.models import version_prefix
from defectory.storage import ObjectStore
from services.generator import bundle
from services.generator import tensors as tensor_files
from services.generator.importing import conversion, pickles
from services.generator.importing.modules import Module, shown, unfit
from services.generator.importing.pickles import Record
from services.generator.stylegan2.networks import Architecture, build
from services.generator.training.checkpoints import Checkpoints
from services.generator.training.settings import resolve

IDENTITY = {"imported": True}  # no training of ours goes on from such a checkpoint


def import_pickle(store: ObjectStore, data: bytes, name: str, version: str, label: str) -> bundle.GeneratorCard:
    """Read a pickle (`G_ema`, and `D` where it is there) and write the generator.

    Args:
        data: the file of stylegan2-ada-pytorch.
        version: reserved for it, see `defectory.models.reserve_version`.
        label: what it makes images of.

    Raises:
        InvalidInput: not such a file, or a network of another design; says in what.
    """
    networks = pickles.read(data)
    if not isinstance(networks, Mapping) or not isinstance(networks.get("G_ema"), Record):
        right = "a file with G_ema"
        raise InvalidInput(f"the pickle holds no averaged generator: give {right}", {"pickle_uri": right})
    official, judge = Module(networks["G_ema"], "G_ema"), _discriminator(networks.get("D"))
    architecture = conversion.architecture(official, judge)
    with torch.device("meta"):  # shapes alone: a file of a few bytes may name a network of gigabytes
        generator, discriminator = build(architecture, 0)
    weights = conversion.generator_tensors(official)
    _check(weights, generator.state_dict(), "G_ema")
    settings = resolve(
        architecture.model_dump(include=set(ShapeSettings.model_fields)),
        size_px=architecture.resolution_px,
        channels=architecture.channels,
        classes=architecture.classes,
    )
    sha256 = hashlib.sha256(data).hexdigest()
    fields = _card_fields(name, version, label, architecture, sha256) | {"settings": settings}
    if judge is not None:
        judging = conversion.discriminator_tensors(judge)
        _check(judging, discriminator.state_dict(), "D")
        checkpoints = Checkpoints(store, version_prefix(bundle.KIND, name, version), IDENTITY)
        checkpoints.save(0, {f"d/{key}": value for key, value in judging.items()}, {})
    return bundle.write(store, fields, weights)


def _discriminator(stored: Any) -> Module | None:
    """`D` of the file, or None where it has none."""
    if stored is None:
        return None
    if not isinstance(stored, Record):
        raise unfit(f"D is {shown(stored)}, not a network")
    return Module(stored, "D")


def _card_fields(name: str, version: str, label: str, architecture: Architecture, sha256: str) -> dict[str, Any]:
    return {
        "name": name, "version": version, "label": label, "architecture": architecture, "kimg": 0, "augment_p": 0,
        "manifest_uri": "", "content_hash": sha256, "training_images": 0, "seed": 0, "source": f"pickle {sha256}",
    }  # fmt: skip


def _check(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor], name: str) -> None:
    try:
        tensor_files.check(tensors, expected, name)
    except Corrupted as error:
        right = "an unchanged pickle of stylegan2-ada-pytorch"
        raise InvalidInput(f"{error}; give {right}", {"pickle_uri": right}) from error
