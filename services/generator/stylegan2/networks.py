"""The networks of StyleGAN2: mapping, synthesis (skip), discriminator (residual).

References:
    [1] Karras et al. 2019, "A Style-Based Generator Architecture for GANs" (arXiv:1812.04948): mapping network,
        truncation trick (appendix B), style mixing (section 3.1).
    [2] Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN" (arXiv:1912.04958): skip generator
        and residual discriminator, section 4.1.
    [3] Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data" (arXiv:2006.06676), appendix D:
        class-conditional networks; the projection discriminator is Miyato & Koyama's (arXiv:1802.05637).
"""

import math
from collections.abc import Iterator, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from torch import Tensor, nn

from defectory.job_settings.base import filled_in
from defectory.job_settings.generator_training import GeneratorTraining, ShapeSettings, power_of_two
from services.generator.stylegan2.layers import (
    EqualConv2d,
    EqualLinear,
    MinibatchDeviation,
    SynthesisLayer,
    ToImage,
    Upsample,
)

W_AVERAGE_BETA = 0.995  # decay of the mean of w a batch [1]
CLASS_MAPPING_LAYERS = 8  # of the discriminator's mapping of classes [3]
Noise = Literal["const", "none"] | Sequence[Tensor]  # tensors: one (N, 1, R, R) a layer, as `Synthesis.noise_sizes`


class Architecture(BaseModel):
    """What fixes the shape of every weight."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    resolution_px: int = filled_in(
        GeneratorTraining, "resolution_px", description="side of the square image, a power of two"
    )
    channels: Literal[1, 2, 3, 4] = Field(
        3, description="channels of the image: grey, RGB or RGBA; with a mask grey and mask, or RGB and mask"
    )
    mask: bool = Field(False, description="the last channel is the mask of the image's defect")
    channel_base: int = filled_in(ShapeSettings, "channel_base", 4096)
    channel_max: int = filled_in(ShapeSettings, "channel_max", 512)
    z_dim: int = filled_in(ShapeSettings, "z_dim", 512)
    w_dim: int = filled_in(ShapeSettings, "w_dim", 512)
    mapping_layers: int = filled_in(ShapeSettings, "mapping_layers", 2)
    classes: int = Field(0, ge=0, le=1000, description="classes to choose from; 0: unconditional")
    conv_clamp: float | None = filled_in(ShapeSettings, "conv_clamp", None)
    deviation_group: int = filled_in(ShapeSettings, "deviation_group", 4)
    deviation_features: int = filled_in(ShapeSettings, "deviation_features", 1)
    discriminator_skips: bool = filled_in(ShapeSettings, "discriminator_skips", True)

    _sides = field_validator("resolution_px")(power_of_two)

    @model_validator(mode="after")
    def _features_divide(self) -> "Architecture":
        if self.width(4) % self.deviation_features:
            raise ValueError(f"deviation_features must divide the {self.width(4)} channels at 4 px")
        return self

    @model_validator(mode="after")
    def _mask_beside_colours(self) -> "Architecture":
        if self.colours not in ((1, 3) if self.mask else (1, 3, 4)):
            raise ValueError(f"{self.channels} channels {'with' if self.mask else 'without'} a mask are no image's")
        return self

    @property
    def colours(self) -> int:
        """Channels of the picture alone, which are the first."""
        return self.channels - self.mask

    @property
    def resolutions(self) -> tuple[int, ...]:
        """4, 8, …, resolution_px."""
        return tuple(2**i for i in range(2, int(math.log2(self.resolution_px)) + 1))

    @property
    def styles(self) -> int:
        """Number of w vectors that a synthesis takes."""
        return 2 * len(self.resolutions)

    def width(self, resolution_px: int) -> int:
        """Channels of the layers at a resolution."""
        return max(1, min(self.channel_base // resolution_px, self.channel_max))


class Mapping(nn.Module):
    """Latent z, and a class where there are some [3], to intermediate latent w [1]; keeps the mean of w for truncation.

    Shapes:
        z: (N, Z); label: (N,) int64, or None without classes; returns w: (N, W)
    """

    w_average: Tensor

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        size = architecture.w_dim
        self.embedding = EqualLinear(architecture.classes, size) if architecture.classes else None
        self.layers = _mapping_layers(
            architecture.z_dim + (size if architecture.classes else 0), size, architecture.mapping_layers
        )
        self.register_buffer("w_average", torch.zeros(size))

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """See the class."""
        x = normalised(z)
        if self.embedding is not None:
            x = torch.cat([x, _embedded(self.embedding, label)], dim=1)
        w: Tensor = self.layers(x)
        return w

    def truncated(self, w: Tensor, psi: float) -> Tensor:
        """Pull w (N, W) towards its mean: psi below 1 gives less variety and fewer faults [1]."""
        return w if psi == 1 else torch.lerp(self.w_average, w, psi)

    @torch.no_grad()
    def track(self, w: Tensor) -> None:
        """Move the mean of w towards that of a batch (N, D)."""
        self.w_average.lerp_(w.detach().mean(dim=0), 1 - W_AVERAGE_BETA)


class SynthesisBlock(nn.Module):
    """One resolution of the synthesis network: up-sample, two layers, add to the image (skip) [2].

    Activations are computed in `computed_in` where it is set; the image never is.
    """

    def __init__(self, architecture: Architecture, resolution_px: int) -> None:
        super().__init__()
        outputs, size = architecture.width(resolution_px), architecture.w_dim
        self.computed_in: torch.dtype | None = (
            None  # that of activations where it is not the weights'; see precision.py
        )
        self.const: nn.Parameter | None = None
        self.conv0: SynthesisLayer | None = None
        if resolution_px == 4:
            self.const = nn.Parameter(torch.randn(outputs, 4, 4))
        else:
            inputs = architecture.width(resolution_px // 2)
            self.conv0 = SynthesisLayer(inputs, outputs, size, resolution_px, up=True, clamp=architecture.conv_clamp)
        self.conv1 = SynthesisLayer(outputs, outputs, size, resolution_px, clamp=architecture.conv_clamp)
        self.to_image = ToImage(outputs, architecture.channels, size, clamp=architecture.conv_clamp)
        self.upsample = Upsample()

    @property
    def layers(self) -> list[SynthesisLayer]:
        """The layers in order."""
        return [self.conv1] if self.conv0 is None else [self.conv0, self.conv1]

    def forward(
        self, x: Tensor | None, image: Tensor | None, ws: Sequence[Tensor], noise: Sequence[Tensor | None]
    ) -> tuple[Tensor, Tensor]:
        """Activations and image of the resolution below to those of this one.

        Shapes:
            x: (N, I, R/2, R/2) and image: (N, C, R/2, R/2), both None at 4 px
            ws: a (N, D) for each layer and one for the image; noise: one for each layer
        """
        if self.const is not None:
            x = self.const.expand(len(ws[0]), -1, -1, -1).clone(memory_format=torch.channels_last)
        assert x is not None
        x = x.to(self.computed_in or ws[0].dtype)
        for layer, w, layer_noise in zip(self.layers, ws, noise, strict=False):
            x = layer(x, w, layer_noise)
        y = self.to_image(x, ws[len(self.layers)]).to(ws[0].dtype)
        return x, y if image is None else self.upsample(image) + y


class Synthesis(nn.Module):
    """Intermediate latents to an image [2].

    Shapes:
        ws: (N, styles, D); returns (N, C, R, R), nominally in [-1, 1]
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.blocks = nn.ModuleDict({f"b{r}": SynthesisBlock(architecture, r) for r in architecture.resolutions})

    @property
    def noise_sizes(self) -> list[int]:
        """Side of the noise of every layer, in pixels."""
        return [layer.noise_const.shape[-1] for layer in self._layers()]

    def forward(self, ws: Tensor, noise: Noise = "const") -> Tensor:
        """Synthesise; see `Noise` for what noise may be."""
        every_noise = self._noise(noise)
        x: Tensor | None = None
        image: Tensor | None = None
        style = layer = 0
        for block in self._blocks():
            count = len(block.layers)
            x, image = block(
                x, image, [ws[:, i] for i in range(style, style + count + 1)], every_noise[layer : layer + count]
            )
            style, layer = style + count, layer + count  # the image's style is also the next layer's
        assert image is not None
        return image

    def _blocks(self) -> Iterator[SynthesisBlock]:
        for block in self.blocks.values():
            assert isinstance(block, SynthesisBlock)
            yield block

    def _layers(self) -> Iterator[SynthesisLayer]:
        for block in self._blocks():
            yield from block.layers

    def _noise(self, noise: Noise) -> Sequence[Tensor | None]:
        if noise == "const":
            return [layer.noise_const for layer in self._layers()]
        if noise == "none":
            return [None] * len(self.noise_sizes)
        assert not isinstance(noise, str)
        return noise


class Generator(nn.Module):
    """Mapping and synthesis.

    Shapes:
        z: (N, Z); label: (N,) int64, or None without classes; returns (N, C, R, R), nominally in [-1, 1]
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.mapping = Mapping(architecture)
        self.synthesis = Synthesis(architecture)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(
        self,
        z: Tensor,
        label: Tensor | None = None,
        *,
        truncation_psi: float = 1.0,
        truncation_cutoff: int | None = None,
        noise: Noise = "const",
    ) -> Tensor:
        """Synthesise from one latent an image; for truncation see `styles_of`."""
        ws = self.styles_of(self.mapping(z, label), truncation_psi, truncation_cutoff)
        image: Tensor = self.synthesis(ws, noise)
        return image

    def styles_of(self, w: Tensor, truncation_psi: float = 1.0, truncation_cutoff: int | None = None) -> Tensor:
        """w (N, W) for every style: (N, styles, W); with a cutoff only so many, the coarsest, are truncated [1]."""
        styles = self.architecture.styles
        truncated = styles if truncation_cutoff is None else min(truncation_cutoff, styles)
        coarse = self.mapping.truncated(w, truncation_psi)[:, None].expand(-1, truncated, -1)
        fine = w[:, None].expand(-1, styles - truncated, -1)
        return coarse if truncated == styles else torch.cat([coarse, fine], dim=1)


class ClassMapping(nn.Module):
    """A class to the direction in which the discriminator looks for it [3].

    Shapes:
        label: (N,) int64; returns (N, W)
    """

    def __init__(self, classes: int, width: int) -> None:
        super().__init__()
        self.embedding = EqualLinear(classes, width)
        self.layers = _mapping_layers(width, width, CLASS_MAPPING_LAYERS)

    def forward(self, label: Tensor | None) -> Tensor:
        """See the class."""
        y: Tensor = self.layers(_embedded(self.embedding, label))
        return y


class DiscriminatorBlock(nn.Module):
    """One resolution of the discriminator: two convolutions beside a skip, halving the resolution [2].

    Shapes:
        x: (N, I, R, R), taken to `computed_in` where it is set; returns (N, O, R/2, R/2)
    """

    def __init__(self, inputs: int, outputs: int, clamp: float | None = None, *, skip: bool = True) -> None:
        super().__init__()
        self.computed_in: torch.dtype | None = (
            None  # that of activations where it is not the weights'; see precision.py
        )
        half = math.sqrt(0.5) if skip else 1.0  # keeps the variance of the sum
        self.conv0 = EqualConv2d(inputs, inputs, 3, clamp=clamp)
        self.conv1 = EqualConv2d(inputs, outputs, 3, down=True, gain=half, clamp=clamp and clamp * half)
        self.skip = EqualConv2d(inputs, outputs, 1, down=True, activate=False, gain=half) if skip else None

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        x = x.to(self.computed_in or self.conv0.weight.dtype)
        y: Tensor = self.conv1(self.conv0(x))
        return y if self.skip is None else y + self.skip(x)


class Discriminator(nn.Module):
    """Image to a logit: how real it looks [2].

    Shapes:
        image: (N, C, R, R), nominally in [-1, 1]; label: (N,) int64, or None without classes; returns (N,)
        sets: sets of as many images one after the other, which do not know of each other, as if each came alone
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        clamp = architecture.conv_clamp
        self.from_image = EqualConv2d(
            architecture.channels, architecture.width(architecture.resolution_px), 1, clamp=clamp
        )
        self.blocks = nn.ModuleDict(
            {
                f"b{r}": DiscriminatorBlock(
                    architecture.width(r), architecture.width(r // 2), clamp, skip=architecture.discriminator_skips
                )
                for r in reversed(architecture.resolutions)
                if r > 4
            }
        )
        width = architecture.width(4)
        self.deviation = MinibatchDeviation(architecture.deviation_group, architecture.deviation_features)
        self.conv = EqualConv2d(width + architecture.deviation_features, width, 3, clamp=clamp)
        self.dense = EqualLinear(width * 16, width, activate=True)
        self.classes = ClassMapping(architecture.classes, width) if architecture.classes else None
        self.out = EqualLinear(width, width if architecture.classes else 1)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, image: Tensor, label: Tensor | None = None, sets: int = 1) -> Tensor:
        """See the class."""
        x = image.contiguous(memory_format=torch.channels_last)
        x = self.from_image(x.to(next(self._blocks()).computed_in or x.dtype))
        for block in self._blocks():
            x = block(x)
        x = self.conv(self.deviation(x.to(image.dtype), sets)).contiguous()
        y: Tensor = self.out(self.dense(x.flatten(1)))
        if self.classes is None:
            return y.squeeze(1)
        score: Tensor = (y * self.classes(label)).sum(dim=1) / math.sqrt(y.shape[1])  # projection on the class [3]
        return score

    def _blocks(self) -> Iterator[DiscriminatorBlock]:
        for block in self.blocks.values():
            assert isinstance(block, DiscriminatorBlock)
            yield block

    def trained(self, frozen_resolutions: int) -> list[nn.Parameter]:
        """Parameters that learn while the highest resolutions are frozen (freeze-D, Mo et al. 2020)."""
        frozen: set[int] = set()
        if frozen_resolutions:
            parts = [self.from_image, *list(self.blocks.values())[:frozen_resolutions]]
            frozen = {id(p) for part in parts for p in part.parameters()}
        return [p for p in self.parameters() if id(p) not in frozen]


def build(architecture: Architecture, seed: int) -> tuple[Generator, Discriminator]:
    """Networks with random weights that depend on the seed only."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Generator(architecture), Discriminator(architecture)


def normalised(x: Tensor) -> Tensor:
    """Scale every row (N, D) to a mean square of one."""
    return x * (x.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()


def _embedded(embedding: EqualLinear, label: Tensor | None) -> Tensor:
    """Classes (N,) to their normalised embeddings (N, W).

    Raises:
        ValueError: no class for a network that has some.
    """
    if label is None:
        raise ValueError("this network is class-conditional: give a class for every image")
    return normalised(embedding(F.one_hot(label, embedding.weight.shape[1]).to(embedding.weight.dtype)))


def _mapping_layers(inputs: int, width: int, count: int) -> nn.Sequential:
    return nn.Sequential(
        *(EqualLinear(inputs if i == 0 else width, width, lr_multiplier=0.01, activate=True) for i in range(count))
    )
