"""NVIDIA's stylegan2-ada-pytorch, run from a checkout on today's torch and on a CPU, for comparison only.

One of its places does not run there as it is: its twice differentiable grid sampling wants an older torch.
Ours stands in for it.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from services.generator.stylegan2 import transforms
from services.generator.stylegan2.networks import Architecture

G_INTERVAL, D_INTERVAL = 4, 16  # lazy regularisation, as its train.py has it


class Reference:
    """The networks and the loss of a checkout.

    Raises:
        FileNotFoundError: the folder is not one.
    """

    def __init__(self, checkout: Path) -> None:
        if not (checkout / "training/networks.py").exists():
            raise FileNotFoundError(f"{checkout} is not a checkout of stylegan2-ada-pytorch")
        sys.path.insert(0, str(checkout))
        from torch_utils.ops import grid_sample_gradfix
        from training import augment, loss, networks

        self._networks, self._loss, self._augment = networks, loss, augment
        grid_sample_gradfix.grid_sample = transforms.sample

    def generator(self, architecture: Architecture) -> Any:
        """Its generator of the same shape, in fp32."""
        return self._networks.Generator(
            c_dim=0, z_dim=architecture.z_dim, w_dim=architecture.w_dim,
            mapping_kwargs={"num_layers": architecture.mapping_layers}, synthesis_kwargs=_sizes(architecture),
            **_image(architecture),
        )  # fmt: skip

    def synthesis(self, architecture: Architecture, batch: int) -> Callable[[], object]:
        """A call that makes one batch."""
        generator = self.generator(architecture).eval().requires_grad_(False)
        z = torch.randn(batch, architecture.z_dim)

        def call() -> object:
            with torch.inference_mode():
                return generator(z, None, truncation_psi=0.7, noise_mode="const")

        return call

    def phases(self, architecture: Architecture, batch: int, p: float) -> list[Callable[[], object]]:
        """Its four phases: G, path length, D, R1."""
        generator = self.generator(architecture).train().requires_grad_(False)
        discriminator = self._networks.Discriminator(
            c_dim=0, epilogue_kwargs={"mbstd_group_size": 4}, **_sizes(architecture), **_image(architecture)
        )
        discriminator = discriminator.train().requires_grad_(False)
        groups = ("xflip", "rotate90", "xint", "scale", "rotate", "aniso", "xfrac", "brightness", "contrast",
                  "lumaflip", "hue", "saturation")  # fmt: skip
        pipe = self._augment.AugmentPipe(**dict.fromkeys(groups, 1)).train().requires_grad_(False)
        pipe.p.copy_(torch.as_tensor(p))
        loss = self._loss.StyleGAN2Loss(
            torch.device("cpu"), generator.mapping, generator.synthesis, discriminator, augment_pipe=pipe, r1_gamma=0.05
        )
        real = torch.randn(batch, architecture.channels, architecture.resolution_px, architecture.resolution_px)
        z = torch.randn(batch, architecture.z_dim)
        none = torch.zeros(batch, 0)

        def phase(name: str, module: Any) -> Callable[[], object]:
            optimiser = torch.optim.Adam(module.parameters(), lr=0.002, betas=(0.0, 0.99))

            def call() -> None:
                optimiser.zero_grad(set_to_none=True)
                module.requires_grad_(True)
                loss.accumulate_gradients(name, real, none, z, none, sync=True, gain=1)
                module.requires_grad_(False)
                optimiser.step()

            return call

        return [
            phase("Gmain", generator), phase("Greg", generator),
            phase("Dmain", discriminator), phase("Dreg", discriminator),
        ]  # fmt: skip


def _image(architecture: Architecture) -> dict[str, int]:
    return {"img_resolution": architecture.resolution_px, "img_channels": architecture.channels}


def _sizes(architecture: Architecture) -> dict[str, Any]:
    return {
        "channel_base": architecture.channel_base, "channel_max": architecture.channel_max,
        "num_fp16_res": 0, "conv_clamp": architecture.conv_clamp,
    }  # fmt: skip
