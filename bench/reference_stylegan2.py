"""NVIDIA's stylegan2-ada-pytorch, run from a checkout on today's torch, for comparison only.

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
from services.generator.stylegan2.precision import CLAMP

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

    def generator(self, architecture: Architecture, half_resolutions: int = 0) -> Any:
        """Its generator of the same shape, in fp32 but for so many of the highest resolutions."""
        return self._networks.Generator(
            c_dim=0, z_dim=architecture.z_dim, w_dim=architecture.w_dim,
            mapping_kwargs={"num_layers": architecture.mapping_layers},
            synthesis_kwargs=_sizes(architecture, half_resolutions),
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

    def leave_plug_ins_out(self) -> None:
        """Let it compute by torch alone where it would compile CUDA code of its own."""
        from torch_utils.ops import bias_act, upfirdn2d

        for module in (bias_act, upfirdn2d):
            module._init = lambda: False  # which is how it falls back by itself where nothing can be compiled

    def phases(
        self, architecture: Architecture, batch: int, p: float, *, device: str = "cpu", half_resolutions: int = 0
    ) -> list[Callable[[], object]]:
        """Its four phases: G, path length, D, R1.

        Args:
            half_resolutions: how many of the highest compute in fp16.
        """
        generator = self.generator(architecture, half_resolutions).train().requires_grad_(False).to(device)
        discriminator = self._networks.Discriminator(
            c_dim=0, epilogue_kwargs={"mbstd_group_size": 4}, **_sizes(architecture, half_resolutions),
            **_image(architecture),
        )  # fmt: skip
        discriminator = discriminator.train().requires_grad_(False).to(device)
        groups = ("xflip", "rotate90", "xint", "scale", "rotate", "aniso", "xfrac", "brightness", "contrast",
                  "lumaflip", "hue", "saturation")  # fmt: skip
        pipe = self._augment.AugmentPipe(**dict.fromkeys(groups, 1)).train().requires_grad_(False).to(device)
        pipe.p.copy_(torch.as_tensor(p))
        loss = self._loss.StyleGAN2Loss(
            torch.device(device),
            generator.mapping,
            generator.synthesis,
            discriminator,
            augment_pipe=pipe,
            r1_gamma=0.05,
        )
        real = torch.randn(batch, architecture.channels, architecture.resolution_px, architecture.resolution_px)
        real, z, none = (x.to(device) for x in (real, torch.randn(batch, architecture.z_dim), torch.zeros(batch, 0)))

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


def _sizes(architecture: Architecture, half_resolutions: int) -> dict[str, Any]:
    return {
        "channel_base": architecture.channel_base, "channel_max": architecture.channel_max,
        "num_fp16_res": half_resolutions, "conv_clamp": CLAMP if half_resolutions else architecture.conv_clamp,
    }  # fmt: skip
