"""Networks of official pickles as ours: the shape is read off, tensors get our names, other designs are refused."""

import re
from collections.abc import Mapping, Sequence

import torch
from pydantic import ValidationError
from torch import Tensor

from defectory.errors import InvalidInput
from services.generator.importing.pickles import Record
from services.generator.stylegan2.filters import BINOMIAL, outer
from services.generator.stylegan2.networks import Architecture

DEFAULT_BASE, DEFAULT_MAX = 32768, 512  # of the reference's constructors
GENERATOR_NAMES = (
    (r"mapping\.fc(\d+)\.(weight|bias)", r"mapping.layers.\1.\2"),
    (r"mapping\.embed\.(weight|bias)", r"mapping.embedding.\1"),
    (r"mapping\.w_avg", "mapping.w_average"),
    (r"synthesis\.(b\d+)\.const", r"synthesis.blocks.\1.const"),
    (r"synthesis\.(b\d+)\.torgb\.(weight|bias|affine\.weight|affine\.bias)", r"synthesis.blocks.\1.to_image.\2"),
    (r"synthesis\.(b\d+)\.(conv[01])\.weight", r"synthesis.blocks.\1.\2.conv.weight"),
    (
        r"synthesis\.(b\d+)\.(conv[01])\.(bias|affine\.weight|affine\.bias|noise_strength|noise_const)",
        r"synthesis.blocks.\1.\2.\3",
    ),
)
DISCRIMINATOR_NAMES = (
    (r"b\d+\.fromrgb\.(weight|bias)", r"from_image.\1"),
    (r"(b\d+\.(?:conv0|conv1|skip)\.(?:weight|bias))", r"blocks.\1"),
    (r"b4\.conv\.(weight|bias)", r"conv.\1"),
    (r"b4\.fc\.(weight|bias)", r"dense.\1"),
    (r"b4\.out\.(weight|bias)", r"out.\1"),
    (r"mapping\.fc(\d+)\.(weight|bias)", r"classes.layers.\1.\2"),
    (r"mapping\.embed\.(weight|bias)", r"classes.embedding.\1"),
)


def architecture(generator: Record) -> Architecture:
    """The shape of a generator.

    Raises:
        InvalidInput: it is not one that we can be; says in what.
    """
    synthesis, mapping = _module(generator, "synthesis"), _module(generator, "mapping")
    _refuse_other_designs(synthesis)
    sizes = dict(generator.get("_init_kwargs", {}).get("synthesis_kwargs", {}))
    layers = sum(1 for name in mapping["_modules"] if re.fullmatch(r"fc\d+", name))
    try:
        return Architecture(
            resolution_px=generator["img_resolution"],
            channels=generator["img_channels"],
            channel_base=sizes.get("channel_base", DEFAULT_BASE),
            channel_max=sizes.get("channel_max", DEFAULT_MAX),
            z_dim=generator["z_dim"],
            w_dim=generator["w_dim"],
            mapping_layers=layers,
            classes=generator["c_dim"],
            conv_clamp=_module(_module(synthesis, "b4"), "conv1")["conv_clamp"],
        )
    except (KeyError, ValidationError) as error:
        raise _unfit(f"its shape is not one of ours ({error})") from error


def generator_tensors(generator: Record) -> dict[str, Tensor]:
    """The state of our `Generator`."""
    tensors = _renamed(flat(generator), GENERATOR_NAMES)
    for name, value in tensors.items():
        if name.endswith("noise_const"):
            tensors[name] = value[None, None]
        elif name.endswith("to_image.weight"):
            tensors[name] = value[:, :, 0, 0]
    return tensors


def discriminator_tensors(discriminator: Record) -> dict[str, Tensor]:
    """The state of our `Discriminator`."""
    return _renamed(flat(discriminator), DISCRIMINATOR_NAMES)


def flat(module: Record, prefix: str = "") -> dict[str, Tensor]:
    """All parameters and buffers of a module by their dotted names, in fp32."""
    own = {**module.get("_parameters", {}), **module.get("_buffers", {})}
    tensors = {prefix + name: value.float() for name, value in own.items() if isinstance(value, Tensor)}
    for name, child in module.get("_modules", {}).items():
        if isinstance(child, Record):
            tensors |= flat(child, f"{prefix}{name}.")
    return tensors


def _renamed(tensors: Mapping[str, Tensor], rules: Sequence[tuple[str, str]]) -> dict[str, Tensor]:
    fir = outer(torch.tensor(BINOMIAL))
    renamed = {}
    for name, value in tensors.items():
        if name.endswith("resample_filter"):
            if value.shape != fir.shape or not torch.allclose(value, fir):
                raise _unfit(f"{name} is not the filter [1, 3, 3, 1]")
            continue
        found = next((re.sub(old, new, name) for old, new in rules if re.fullmatch(old, name)), None)
        if found is None:
            raise _unfit(f"it has a tensor {name}, for which there is no place")
        renamed[found] = value
    return renamed


def _refuse_other_designs(synthesis: Record) -> None:
    for name, block in synthesis["_modules"].items():
        if block.get("architecture") != "skip":
            raise _unfit(f"synthesis.{name} is of the design {block.get('architecture')!r}; only 'skip' is supported")


def _module(parent: Record, name: str) -> Record:
    child = parent.get("_modules", {}).get(name) if isinstance(parent, Record) else None
    if not isinstance(child, Record):
        raise _unfit(f"it has no module {name!r}")
    return child


def _unfit(why: str) -> InvalidInput:
    right = "a StyleGAN2 network with skip generator and residual discriminator"
    return InvalidInput(f"the network cannot be imported: {why}; give {right}", {"pickle_uri": right})
