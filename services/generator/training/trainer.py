"""One training step of StyleGAN2-ADA, and everything that changes with it.

References:
    [1] Karras et al. 2020 (arXiv:1912.04958): lazy regularisation, section 3.1 and appendix B.
    [2] Karras et al. 2020 (arXiv:2006.06676): adaptive augmentation of all that the discriminator sees.
    [3] Tseng et al. 2021 (arXiv:2104.03310): LeCam regularisation, see lecam.py.

Every random number is a function of the seed and the number of the step, so there is no generator state to keep, and a
training that was stopped goes on as if it had not been. On a GPU the host waits for nothing within a step, save where p
is adjusted, in every fourth: losses stay on the device until somebody asks for them.
"""

import copy
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from defectory.errors import InvalidInput
from services.generator.stylegan2.augment import Drawn, draw_augmentation
from services.generator.stylegan2.networks import Discriminator, Generator, build
from services.generator.stylegan2.placing import place
from services.generator.stylegan2.precision import use_precision
from services.generator.tensors import under
from services.generator.training.ada import AugmentControl
from services.generator.training.data import Epochs, Prefetched
from services.generator.training.device import choose, configure
from services.generator.training.distributed import ALONE, World
from services.generator.training.lecam import anchors_at_start, moved
from services.generator.training.losses import Losses
from services.generator.training.optimiser import Adam
from services.generator.training.phases import Phases
from services.generator.training.settings import TrainingSettings

R1_INTERVAL = 16  # steps between two R1 penalties [1]
PATH_INTERVAL = 4  # steps between two path-length penalties [1]
GPU_TICK = 16  # steps; a person does not look more often
PATH_SHRINK = 2  # path lengths are measured on a batch that is smaller by this factor [1]


class Trainer:
    """Networks, optimisers, controller and counters of one training.

    Args:
        images: (N, C, R, R) uint8.
        settings: the training's settings; its architecture fits the images.
        seed: of all random numbers.
        classes: (N,) int64, of every image, where the architecture has classes.
        world: the processes that train together, each of which has a trainer.

    Raises:
        InvalidInput: there is no such device, or the batch is too small for so many processes.
    """

    def __init__(
        self, images: Tensor, settings: TrainingSettings, seed: int, classes: Tensor | None = None, world: World = ALONE
    ) -> None:
        if settings.batch // PATH_SHRINK < world.size:
            right = f"at least {PATH_SHRINK * world.size} for {world.size} processes"
            raise InvalidInput(f"batch is {settings.batch}: {right}", {"settings.batch": right})
        self.settings = settings
        self.seed = seed
        self.attempt = 0  # counts roll-backs, which must not draw the same numbers again
        self.step = 0
        self.images_seen = 0
        self.ema_ramp_up = settings.ema_ramp > 0
        self.device = choose(settings.device)
        configure(self.device, tf32=settings.tf32, search=True)
        self.path_mean = torch.zeros((), device=self.device)
        self.anchors = anchors_at_start(self.device)
        self.generator, self.discriminator = build(settings.architecture, seed)
        self.average = copy.deepcopy(self.generator).requires_grad_(False)  # always in fp32: it is what is shown
        for network in self._modules().values():
            network.to(self.device)
        for network in (self.generator, self.discriminator):
            use_precision(network, settings.precision, settings.half_resolutions)
        self.control = AugmentControl(
            settings.augment_mode,
            settings.augment_p,
            settings.augment_target,
            settings.augment_kimg * 1000,
            settings.augment_preset,
        )
        self.losses = Losses(world)
        epochs = Epochs(images, seed, mirror_x=settings.mirror_x, mirror_y=settings.mirror_y, classes=classes)
        self._real = epochs if self.device.type == "cpu" else Prefetched(epochs)
        self.world = world
        self._phases = Phases(
            self.generator, self.discriminator, settings, classes, self._augmentation, world, self.device
        )
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

    @property
    def tick_steps(self) -> int:
        """Steps between two looks at the losses: on a GPU the host runs ahead meanwhile."""
        return 1 if self.device.type == "cpu" else GPU_TICK

    def train_step(self) -> dict[str, Tensor]:
        """Show one batch to both networks, and return this process's share of the step's losses by name."""
        rng = torch.Generator().manual_seed(self._step_seed())
        shown = self._real.batch(self.images_seen, self.settings.batch)
        real = shown.images(self.device)
        classes = None if shown.classes is None else place(shown.classes, self.device)
        values = {"loss_g": self.generator_step(rng)}
        if self.settings.path_length_weight and self.step % PATH_INTERVAL == 0:
            values["path_length"] = self.path_length_step(rng)
        values["loss_d"] = self.discriminator_step(real, rng, classes)
        if self.settings.r1_gamma and self.step % R1_INTERVAL == 0:
            values["r1"] = self.r1_step(real, rng, classes)
        self.images_seen += self.settings.batch
        self.step += 1
        self._update_average()
        self.losses.add(values)
        return values

    @torch.no_grad()
    def is_finite(self) -> bool:
        """Whether all weights, averages and optimisers' states are numbers; waits for the device."""
        largest = torch._foreach_norm(list(self._tensors().values()), math.inf)  # unlike a sum it cannot overflow
        return bool(torch.stack(largest).isfinite().all())

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """All that changes: tensors by name, and scalars that JSON holds exactly."""
        scalars = {
            "step": self.step,
            "images_seen": self.images_seen,
            "attempt": self.attempt,
            "ema_ramp_up": self.ema_ramp_up,
            "augment": self.control.state(),
        }
        return {key: value.detach().cpu().contiguous() for key, value in self._tensors().items()}, scalars

    def restore(self, tensors: Mapping[str, Tensor], scalars: Mapping[str, Any]) -> None:
        """Back to a `state()` of a training with the same settings.

        Raises:
            KeyError, RuntimeError: a tensor is missing or has another shape.
        """
        for name, network in self._modules().items():
            network.load_state_dict(under(tensors, f"{name}/"))
        for name, optimiser, module in self._optimisers():
            optimiser.state.clear()
            for slot in ("step", "exp_avg_sq"):
                for key, value in under(tensors, f"{name}/{slot}/").items():
                    parameter = module.get_parameter(key)
                    like = value.clone() if slot == "step" else torch.empty_like(parameter).copy_(value)
                    optimiser.state[parameter][slot] = like.detach()
        self.path_mean = tensors["path_mean"].to(self.device, copy=True)
        if self.settings.lecam_weight:
            self.anchors = tensors["anchors"].to(self.device, copy=True)
        self.step, self.images_seen = int(scalars["step"]), int(scalars["images_seen"])
        self.attempt, self.ema_ramp_up = int(scalars["attempt"]), bool(scalars["ema_ramp_up"])
        self.control.restore(scalars["augment"])

    def generator_step(self, rng: torch.Generator) -> Tensor:
        """One step of the generator."""
        self._g_optimiser.zero_grad()
        value = self._phases.generator_loss(rng)
        self._descend(self._g_optimiser, self._g_parameters)
        return value

    def path_length_step(self, rng: torch.Generator) -> Tensor:
        """One step of the generator towards even path lengths."""
        self._g_optimiser.zero_grad()
        count = self.settings.batch // PATH_SHRINK
        value, self.path_mean = self._phases.path_length(count, self.path_mean, PATH_INTERVAL, rng)
        self._descend(self._g_optimiser, self._g_parameters)
        return value

    def discriminator_step(self, real: Tensor, rng: torch.Generator, classes: Tensor | None = None) -> Tensor:
        """One step of the discriminator."""
        self._d_optimiser.zero_grad()
        with _learning(self._d_parameters):
            answers = self._phases.discriminator_loss(real, classes, self.anchors, rng)
            self._descend(self._d_optimiser, self._d_parameters)
        self.control.observe(answers.signs, len(real))
        if self.settings.lecam_weight:
            self.anchors = moved(self.anchors, answers.means)
        return answers.loss

    def r1_step(self, real: Tensor, rng: torch.Generator, classes: Tensor | None = None) -> Tensor:
        """One step of the discriminator towards small gradients by real images."""
        self._d_optimiser.zero_grad()
        with _learning(self._d_parameters):
            value = self._phases.r1(real, classes, R1_INTERVAL, rng)
            self._descend(self._d_optimiser, self._d_parameters)
        return value

    def _descend(self, optimiser: torch.optim.Optimizer, parameters: list[nn.Parameter]) -> None:
        self.world.total_gradients(parameters)
        optimiser.step()

    def _augmentation(self, count: int, rng: torch.Generator) -> Drawn:
        """What happens to a batch of so many images."""
        if self.control.p <= 0:
            return Drawn()
        architecture = self.settings.architecture
        shape = count, architecture.channels, architecture.resolution_px, architecture.resolution_px
        return draw_augmentation(shape, self.control.p, self.control.preset, rng, self.device)

    @torch.no_grad()
    def _update_average(self) -> None:
        half_life = self.settings.ema_kimg * 1000
        if self.ema_ramp_up:
            half_life = min(half_life, self.images_seen * self.settings.ema_ramp)
        beta = 0.5 ** (self.settings.batch / max(half_life, 1e-8))
        averages = [p.detach() for p in self.average.parameters()]
        torch._foreach_lerp_(averages, [p.detach() for p in self._g_parameters], 1 - beta)
        for average, current in zip(self.average.buffers(), self.generator.buffers(), strict=True):
            average.copy_(current)

    def _tensors(self) -> dict[str, Tensor]:
        """All tensors that change, by name, where they are."""
        tensors = {"path_mean": self.path_mean}
        if self.settings.lecam_weight:
            tensors["anchors"] = self.anchors
        for name, network in self._modules().items():
            tensors |= {f"{name}/{key}": value for key, value in network.state_dict().items()}
        for name, optimiser, module in self._optimisers():
            for key, parameter in module.named_parameters():
                for slot, value in optimiser.state.get(parameter, {}).items():
                    tensors[f"{name}/{slot}/{key}"] = value
        return tensors

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


def _adam(parameters: list[nn.Parameter], learning_rate: float, interval: int) -> Adam:
    """Adam with beta 0 and 0.99, corrected for the extra step that lazy regularisation takes every interval [1]."""
    ratio = interval / (interval + 1) if interval else 1.0
    return Adam(parameters, learning_rate * ratio, 0.99**ratio)
