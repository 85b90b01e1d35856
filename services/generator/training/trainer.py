"""One training step of StyleGAN2-ADA, and everything that changes with it.

References:
    [1] Karras et al. 2020 (arXiv:1912.04958): lazy regularisation, section 3.1 and appendix B.
    [2] Karras et al. 2020 (arXiv:2006.06676): adaptive augmentation of all that the discriminator sees.

Every random number is a function of the seed and the number of the step, so there is no generator state to keep, and a
training that was stopped goes on as if it had not been.
"""

import copy
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from services.generator.stylegan2 import loss
from services.generator.stylegan2.augment import augment
from services.generator.stylegan2.networks import Discriminator, Generator, build
from services.generator.training.ada import AugmentControl
from services.generator.training.data import Epochs
from services.generator.training.settings import TrainingSettings

R1_INTERVAL = 16  # steps between two R1 penalties [1]
PATH_INTERVAL = 4  # steps between two path-length penalties [1]
PATH_SHRINK = 2  # path lengths are measured on a batch that is smaller by this factor [1]
EMA_RAMP_UP = 0.05  # at the start the half-life is at most this share of the images seen so far


class Trainer:
    """Networks, optimisers, controller and counters of one training.

    Args:
        images: (N, C, R, R) uint8.
        settings: the training's settings; its architecture fits the images.
        seed: of all random numbers.
    """

    def __init__(self, images: Tensor, settings: TrainingSettings, seed: int) -> None:
        self.settings = settings
        self.seed = seed
        self.attempt = 0  # counts roll-backs, which must not draw the same numbers again
        self.step = 0
        self.images_seen = 0
        self.ema_ramp_up = True
        self.path_mean = torch.zeros(())
        self.generator, self.discriminator = build(settings.architecture, seed)
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        self.control = AugmentControl(
            settings.augment_mode,
            settings.augment_p,
            settings.augment_target,
            settings.augment_kimg * 1000,
            settings.augment_preset,
        )
        self._epochs = Epochs(images, seed, mirror_x=settings.mirror_x, mirror_y=settings.mirror_y)
        self._g_parameters = list(self.generator.parameters())
        self._d_parameters = self.discriminator.trained(settings.freeze_d)
        self.discriminator.requires_grad_(False)
        path = PATH_INTERVAL if settings.path_length_weight else 0
        self._g_optimiser = _adam(self._g_parameters, settings.learning_rate, path)
        self._d_optimiser = _adam(self._d_parameters, settings.learning_rate, R1_INTERVAL if settings.r1_gamma else 0)

    @property
    def p(self) -> float:
        """Probability of each augmentation now."""
        return self.control.p

    def train_step(self) -> dict[str, float]:
        """Show one batch to both networks, and return the step's losses by name."""
        rng = torch.Generator().manual_seed(self._step_seed())
        real = self._epochs.batch(self.images_seen, self.settings.batch)
        values = {"loss_g": self.generator_step(rng)}
        if self.settings.path_length_weight and self.step % PATH_INTERVAL == 0:
            values["path_length"] = self.path_length_step(rng)
        values["loss_d"] = self.discriminator_step(real, rng)
        if self.settings.r1_gamma and self.step % R1_INTERVAL == 0:
            values["r1"] = self.r1_step(real, rng)
        self.images_seen += len(real)
        self.step += 1
        self._update_average()
        return values

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """All that changes: tensors by name, and scalars that JSON holds exactly."""
        tensors = {"path_mean": self.path_mean}
        for name, network in self._modules().items():
            tensors |= {f"{name}/{key}": value for key, value in network.state_dict().items()}
        for name, optimiser, module in self._optimisers():
            for key, parameter in module.named_parameters():
                for slot, value in optimiser.state.get(parameter, {}).items():
                    tensors[f"{name}/{slot}/{key}"] = value
        scalars = {
            "step": self.step,
            "images_seen": self.images_seen,
            "attempt": self.attempt,
            "ema_ramp_up": self.ema_ramp_up,
            "augment": self.control.state(),
        }
        return {key: value.detach().contiguous() for key, value in tensors.items()}, scalars

    def restore(self, tensors: Mapping[str, Tensor], scalars: Mapping[str, Any]) -> None:
        """Back to a `state()` of a training with the same settings.

        Raises:
            KeyError, RuntimeError: a tensor is missing or has another shape.
        """
        for name, network in self._modules().items():
            network.load_state_dict(_part(tensors, f"{name}/"))
        for name, optimiser, module in self._optimisers():
            optimiser.state.clear()
            for slot in ("step", "exp_avg", "exp_avg_sq"):
                for key, value in _part(tensors, f"{name}/{slot}/").items():
                    parameter = module.get_parameter(key)
                    like = value.clone() if slot == "step" else torch.empty_like(parameter).copy_(value)
                    optimiser.state[parameter][slot] = like.detach()
        self.path_mean = tensors["path_mean"].clone()
        self.step, self.images_seen = int(scalars["step"]), int(scalars["images_seen"])
        self.attempt, self.ema_ramp_up = int(scalars["attempt"]), bool(scalars["ema_ramp_up"])
        self.control.restore(scalars["augment"])

    def generator_step(self, rng: torch.Generator) -> float:
        images, _ = self._fakes(self.settings.batch, rng)
        value = loss.generator_loss(self.discriminator(self._augmented(images, rng)))
        self._g_optimiser.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        self._g_optimiser.step()
        return float(value.detach())

    def path_length_step(self, rng: torch.Generator) -> float:
        images, ws = self._fakes(max(self.settings.batch // PATH_SHRINK, 1), rng)
        lengths = loss.path_lengths(images, ws, torch.randn(images.shape, generator=rng))
        value, self.path_mean = loss.path_length_penalty(lengths, self.path_mean, self.settings.path_length_weight)
        self._g_optimiser.zero_grad()
        (value * PATH_INTERVAL).backward()
        self._g_optimiser.step()
        return float(lengths.detach().mean())

    def discriminator_step(self, real: Tensor, rng: torch.Generator) -> float:
        with torch.no_grad():
            fake, _ = self._fakes(self.settings.batch, rng)
            fake, shown = self._augmented(fake, rng), self._augmented(real, rng)
        with _learning(self._d_parameters):
            real_logits = self.discriminator(shown)
            value = loss.discriminator_loss(real_logits, self.discriminator(fake))
            self._d_optimiser.zero_grad()
            value.backward()  # type: ignore[no-untyped-call]
            self._d_optimiser.step()
        self.control.observe(real_logits)
        return float(value.detach())

    def r1_step(self, real: Tensor, rng: torch.Generator) -> float:
        real = real.clone().requires_grad_()
        with _learning(self._d_parameters):
            logits = self.discriminator(self._augmented(real, rng))
            value = loss.r1_penalty(real, logits, self.settings.r1_gamma)
            self._d_optimiser.zero_grad()
            (value * R1_INTERVAL).backward()
            self._d_optimiser.step()
        return float(value.detach())

    def _fakes(self, count: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Images (count, C, R, R) and the latents (count, styles, D) that they are made from, styles mixed."""
        mapping, styles = self.generator.mapping, self.settings.architecture.styles
        w = mapping(self._latents(count, rng))
        mapping.track(w)
        ws = w[:, None].expand(-1, styles, -1)
        if float(torch.rand((), generator=rng)) < self.settings.style_mixing:
            crossover = int(torch.randint(1, styles, (), generator=rng))
            other = mapping(self._latents(count, rng))[:, None].expand(-1, styles - crossover, -1)
            ws = torch.cat([ws[:, :crossover], other], dim=1)
        sizes = self.generator.synthesis.noise_sizes
        noise = [torch.randn(count, 1, size, size, generator=rng) for size in sizes]
        images: Tensor = self.generator.synthesis(ws, noise)
        return images, ws

    def _latents(self, count: int, rng: torch.Generator) -> Tensor:
        return torch.randn(count, self.settings.architecture.z_dim, generator=rng)

    def _augmented(self, images: Tensor, rng: torch.Generator) -> Tensor:
        if self.control.p <= 0:
            return images
        return augment(images, self.control.p, self.control.preset, rng)

    @torch.no_grad()
    def _update_average(self) -> None:
        half_life = self.settings.ema_kimg * 1000
        if self.ema_ramp_up:
            half_life = min(half_life, self.images_seen * EMA_RAMP_UP)
        beta = 0.5 ** (self.settings.batch / max(half_life, 1e-8))
        averages = [p.detach() for p in self.average.parameters()]
        torch._foreach_lerp_(averages, [p.detach() for p in self._g_parameters], 1 - beta)
        for average, current in zip(self.average.buffers(), self.generator.buffers(), strict=True):
            average.copy_(current)

    def _step_seed(self) -> int:
        words = np.random.SeedSequence([self.seed, self.attempt, self.step]).generate_state(1, np.uint64)
        return int(words[0] >> np.uint64(1))

    def _modules(self) -> dict[str, Generator | Discriminator]:
        return {"g": self.generator, "d": self.discriminator, "ema": self.average}

    def _optimisers(self) -> Iterable[tuple[str, torch.optim.Optimizer, nn.Module]]:
        return (
            ("g_adam", self._g_optimiser, self.generator),
            ("d_adam", self._d_optimiser, self.discriminator),
        )


def all_finite(values: Mapping[str, float]) -> bool:
    """Whether every loss is a number."""
    return all(math.isfinite(value) for value in values.values())


class _learning:  # noqa: N801 - reads as a statement
    """Within it, the parameters get gradients."""

    def __init__(self, parameters: list[nn.Parameter]) -> None:
        self._parameters = parameters

    def __enter__(self) -> None:
        self._set(True)

    def __exit__(self, *_: object) -> None:
        self._set(False)

    def _set(self, learns: bool) -> None:
        for parameter in self._parameters:
            parameter.requires_grad_(learns)


def _adam(parameters: list[nn.Parameter], learning_rate: float, interval: int) -> torch.optim.Adam:
    """Adam with beta 0 and 0.99, corrected for the extra step that lazy regularisation takes every interval [1]."""
    ratio = interval / (interval + 1) if interval else 1.0
    return torch.optim.Adam(parameters, lr=learning_rate * ratio, betas=(0.0, 0.99**ratio), eps=1e-8, fused=True)


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
