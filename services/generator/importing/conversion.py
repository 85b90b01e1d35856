"""Networks of official pickles as ours: the shape is read off, tensors get our names, other designs are refused."""

import re
from collections.abc import Sequence
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor

from defectory.wording import why_of
from services.generator.importing.modules import Module, named, shown, unfit
from services.generator.stylegan2.filters import BINOMIAL, outer
from services.generator.stylegan2.networks import Architecture

DEFAULT_BASE, DEFAULT_MAX = 32768, 512  # of the reference's constructors
WHOLE_BATCH = 1024  # samples a group of the minibatch deviation where the reference says None: as many as there are
SKIPS = {"resnet": True, "orig": False}  # designs of a discriminator: whether a skip is beside every block
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


def architecture(generator: Module, discriminator: Module | None) -> Architecture:
    """The shape of a generator, and of its discriminator where that is known.

    Raises:
        InvalidInput: it is not one that we can be; says in what.
    """
    synthesis, mapping = generator.child("synthesis"), generator.child("mapping")
    for block in synthesis.children(r".*"):
        if block.text("architecture") != "skip":
            raise unfit(f"{block.path} is of the design {block.text('architecture')[:50]!r}; only 'skip' is supported")
    path = f"{generator.path}._init_kwargs.synthesis_kwargs"
    sizes = named(generator.mapping("_init_kwargs").get("synthesis_kwargs", {}), path)
    clamp = synthesis.child("b4").child("conv1").optional_number("conv_clamp")
    fields = {
        "resolution_px": generator.number("img_resolution"),
        "channels": generator.number("img_channels"),
        "channel_base": sizes.get("channel_base", DEFAULT_BASE),
        "channel_max": sizes.get("channel_max", DEFAULT_MAX),
        "z_dim": generator.number("z_dim"),
        "w_dim": generator.number("w_dim"),
        "mapping_layers": len(mapping.children(r"fc\d+")),
        "classes": generator.number("c_dim"),
        "conv_clamp": clamp,
        **({} if discriminator is None else _of_discriminator(discriminator, clamp)),
    }
    try:
        return Architecture.model_validate(fields)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {why_of(e)}" for e in error.errors())
        raise unfit(f"its shape is not one of ours ({wrong})") from error


def generator_tensors(generator: Module) -> dict[str, Tensor]:
    """The state of our `Generator`.

    Raises:
        InvalidInput: a tensor for which there is no place; names it.
    """
    tensors = _renamed(generator, GENERATOR_NAMES)
    for name, value in tensors.items():
        if name.endswith("noise_const"):
            tensors[name] = value[None, None]
        elif name.endswith("to_image.weight"):
            if value.ndim != 4 or value.shape[2:] != (1, 1):
                raise unfit(
                    f"{generator.path}: {name} has the shape {tuple(value.shape)}, not that of a 1x1 convolution"
                )
            tensors[name] = value[:, :, 0, 0]
    return tensors


def discriminator_tensors(discriminator: Module) -> dict[str, Tensor]:
    """The state of our `Discriminator`.

    Raises:
        InvalidInput: a tensor for which there is no place; names it.
    """
    return _renamed(discriminator, DISCRIMINATOR_NAMES)


def _of_discriminator(discriminator: Module, clamp: float | None) -> dict[str, Any]:
    """What of the shape the generator does not say."""
    blocks, last = discriminator.children(r"b\d+"), discriminator.child("b4")
    design = last.text("architecture")
    if design not in SKIPS:
        raise unfit(
            f"{last.path} is of the design {design[:50]!r}; only {' and '.join(map(repr, SKIPS))} are supported"
        )
    for block in blocks:
        if block.text("architecture") != design:
            raise unfit(f"{block.path} is of the design {block.text('architecture')[:50]!r}, {last.path} of {design!r}")
    conv, deviation = last.child("conv"), last.child("mbstd")
    if conv.optional_number("conv_clamp") != clamp:
        raise unfit(f"{conv.path}.conv_clamp is {shown(conv.record['conv_clamp'])}, and {clamp} in the generator")
    group = deviation.optional_number("group_size")
    return {
        "deviation_group": WHOLE_BATCH if group is None else group,
        "deviation_features": deviation.number("num_channels"),
        "discriminator_skips": SKIPS[design],
    }


def _renamed(network: Module, rules: Sequence[tuple[str, str]]) -> dict[str, Tensor]:
    fir = outer(torch.tensor(BINOMIAL))
    renamed = {}
    for name, value in network.tensors().items():
        if name.endswith("resample_filter"):
            if value.shape != fir.shape or not torch.allclose(value, fir):
                raise unfit(f"{network.path}.{name} is not the filter [1, 3, 3, 1]")
            continue
        new_name = next((re.sub(old, new, name) for old, new in rules if re.fullmatch(old, name)), None)
        if new_name is None:
            raise unfit(f"{network.path} has a tensor {name[:100]}, for which there is no place")
        renamed[new_name] = value
    return renamed
