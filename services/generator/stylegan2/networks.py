"""The networks of StyleGAN2: mapping, synthesis (skip), discriminator (residual).

References:
    [1] Karras et al. 2019, "A Style-Based Generator Architecture for GANs" (arXiv:1812.04948): mapping network,
        truncation trick (appendix B), style mixing (section 3.1).
    [2] Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN" (arXiv:1912.04958): skip generator
        and residual discriminator, section 4.1.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, field_validator
from torch import Tensor, nn

from services.generator.stylegan2.layers import (
    EqualConv2d,
    EqualLinear,
    MinibatchDeviation,
    SynthesisLayer,
    ToImage,
    Upsample,
)

W_AVERAGE_BETA = 0.998  # decay of the mean of w a batch
Noise = Literal["const", "none"] | Sequence[Tensor]  # tensors: one (N, 1, R, R) a layer, as `Synthesis.noise_sizes`


class Architecture(BaseModel):
    """What fixes the shape of every weight."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    resolution_px: int = Field(ge=8, le=1024, description="side of the square image, a power of two")
    channels: Literal[1, 3] = Field(3, description="channels of the image: grey or RGB")
    channel_base: int = Field(4096, ge=256, le=65536, description="channels at resolution r: channel_base / r")
    channel_max: int = Field(512, ge=8, le=1024, description="upper bound of the channels of any layer")
    latent_dim: int = Field(512, ge=8, le=1024, description="size of the latents z and w")
    mapping_layers: int = Field(2, ge=1, le=16, description="layers of the mapping network")

    @field_validator("resolution_px")
    @classmethod
    def _power_of_two(cls, value: int) -> int:
        if value & (value - 1):
            raise ValueError("must be a power of two")
        return value

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
    """Latent z to intermediate latent w [1]; keeps the mean of w for truncation.

    Shapes:
        z: (N, D); returns w: (N, D)
    """

    w_average: Tensor

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        size = architecture.latent_dim
        self.layers = nn.Sequential(
            *(EqualLinear(size, size, lr_multiplier=0.01, activate=True) for _ in range(architecture.mapping_layers))
        )
        self.register_buffer("w_average", torch.zeros(size))

    def forward(self, z: Tensor, *, truncation_psi: float = 1.0) -> Tensor:
        """Map; psi below 1 pulls w towards its mean: less variety, fewer faults."""
        w: Tensor = self.layers(z * (z.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt())
        if truncation_psi != 1:
            w = torch.lerp(self.w_average, w, truncation_psi)
        return w

    @torch.no_grad()
    def track(self, w: Tensor) -> None:
        """Move the mean of w towards that of a batch (N, D)."""
        self.w_average.lerp_(w.detach().mean(dim=0), 1 - W_AVERAGE_BETA)


class SynthesisBlock(nn.Module):
    """One resolution of the synthesis network: up-sample, two layers, add to the image (skip) [2]."""

    def __init__(self, architecture: Architecture, resolution_px: int) -> None:
        super().__init__()
        outputs, size = architecture.width(resolution_px), architecture.latent_dim
        self.const: nn.Parameter | None = None
        self.conv0: SynthesisLayer | None = None
        if resolution_px == 4:
            self.const = nn.Parameter(torch.randn(outputs, 4, 4))
        else:
            inputs = architecture.width(resolution_px // 2)
            self.conv0 = SynthesisLayer(inputs, outputs, size, resolution_px, up=True)
        self.conv1 = SynthesisLayer(outputs, outputs, size, resolution_px)
        self.to_image = ToImage(outputs, architecture.channels, size)
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
            x = self.const.expand(len(ws[0]), -1, -1, -1).contiguous(memory_format=torch.channels_last)
        for layer, w, layer_noise in zip(self.layers, ws, noise, strict=False):
            x = layer(x, w, layer_noise)
        assert x is not None
        y = self.to_image(x, ws[len(self.layers)])
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
        x = image = None
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
        z: (N, D); returns (N, C, R, R), nominally in [-1, 1]
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.mapping = Mapping(architecture)
        self.synthesis = Synthesis(architecture)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, z: Tensor, *, truncation_psi: float = 1.0, noise: Noise = "const") -> Tensor:
        """Synthesise from one latent an image."""
        w = self.mapping(z, truncation_psi=truncation_psi)
        image: Tensor = self.synthesis(w[:, None].expand(-1, self.architecture.styles, -1), noise)
        return image


class DiscriminatorBlock(nn.Module):
    """One resolution of the discriminator: two convolutions beside a skip, halving the resolution [2].

    Shapes:
        x: (N, I, R, R); returns (N, O, R/2, R/2)
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        half = math.sqrt(0.5)  # keeps the variance of the sum
        self.conv0 = EqualConv2d(inputs, inputs, 3)
        self.conv1 = EqualConv2d(inputs, outputs, 3, down=True, gain=half)
        self.skip = EqualConv2d(inputs, outputs, 1, down=True, bias=False, activate=False, gain=half)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        y: Tensor = self.conv1(self.conv0(x)) + self.skip(x)
        return y


class Discriminator(nn.Module):
    """Image to a logit: how real it looks [2].

    Shapes:
        image: (N, C, R, R), nominally in [-1, 1]; returns (N,)
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.from_image = EqualConv2d(architecture.channels, architecture.width(architecture.resolution_px), 1)
        self.blocks = nn.ModuleDict(
            {
                f"b{r}": DiscriminatorBlock(architecture.width(r), architecture.width(r // 2))
                for r in reversed(architecture.resolutions)
                if r > 4
            }
        )
        width = architecture.width(4)
        self.deviation = MinibatchDeviation()
        self.conv = EqualConv2d(width + 1, width, 3)
        self.dense = EqualLinear(width * 16, width, activate=True)
        self.out = EqualLinear(width, 1)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, image: Tensor) -> Tensor:
        """See the class."""
        x = self.from_image(image.contiguous(memory_format=torch.channels_last))
        for block in self.blocks.values():
            x = block(x)
        x = self.conv(self.deviation(x)).contiguous()
        return self.out(self.dense(x.flatten(1))).squeeze(1)

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
