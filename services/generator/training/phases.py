"""The four phases of a step: each leaves gradients, added up over the parts of a batch and over the processes.

Reference: Karras et al. 2020 (arXiv:1912.04958), section 3.1 and appendix B: lazy regularisation.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from services.generator.stylegan2 import loss
from services.generator.stylegan2.augment import Drawn
from services.generator.stylegan2.networks import Discriminator, Generator
from services.generator.stylegan2.placing import normal
from services.generator.training.distributed import World
from services.generator.training.draws import Latents, draw_latents
from services.generator.training.lecam import lecam_penalty
from services.generator.training.settings import TrainingSettings

DrawAugmentation = Callable[[int, torch.Generator], Drawn]  # for a batch of so many images


@dataclass(frozen=True)
class Answers:
    """What the discriminator answered to a batch.

    Attributes:
        loss: (), this process's share of it, the LeCam penalty included.
        signs: (), sum of the signs of its logits for all real images.
        means: (2,), of its logits for all real and all generated images.
    """

    loss: Tensor
    signs: Tensor
    means: Tensor


class Phases:
    """Computes the gradients of each phase.

    Every loss is the mean over the whole batch; a process returns the share that its rows have in it.

    Args:
        real_classes: (M,) int64 of all training images, or None without classes.
        draw: draws what augmentation does to a batch.
    """

    def __init__(
        self,
        generator: Generator,
        discriminator: Discriminator,
        settings: TrainingSettings,
        real_classes: Tensor | None,
        draw: DrawAugmentation,
        world: World,
        device: torch.device,
    ) -> None:
        self._generator = generator
        self._discriminator = discriminator
        self._settings = settings
        self._real_classes = real_classes
        self._draw = draw
        self._world = world
        self._device = device

    def generator_loss(self, rng: torch.Generator) -> Tensor:
        """Gradients of the generator, and its loss."""
        count = self._settings.batch
        latents, drawn = self._latents(count, rng), self._draw(count, rng)
        total, w_mean = self._zero(), self._zero()
        for part, share in self._world.parts(count, self._settings.micro_batch):
            own = latents.rows(part)
            images, _, w = own.synthesise(self._generator)
            value = loss.generator_loss(self._discriminator(drawn.rows(part).apply(images), own.classes))
            (value * share).backward()  # type: ignore[no-untyped-call]
            total, w_mean = total + value.detach() * share, w_mean + w.mean(dim=0) * share
        self._track(w_mean)
        return total

    def path_length(self, count: int, mean: Tensor, gain: float, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Gradients of the generator times a gain; the path length, and its running mean, updated.

        The penalty knows the mean length of what is computed at once: with a micro batch, of that part.
        """
        latents = self._latents(count, rng)
        architecture = self._settings.architecture
        side = architecture.resolution_px
        direction = normal((count, architecture.channels, side, side), rng, self._device)
        total, w_mean = self._zero(), self._zero()
        for part, share in self._world.parts(count, self._settings.micro_batch):
            images, ws, w = latents.rows(part).synthesise(self._generator)
            lengths = loss.path_lengths(images, ws, direction[part])
            observed = self._world.mean(lengths.detach())
            value, _ = loss.path_length_penalty(lengths, mean, self._settings.path_length_weight, observed)
            (value * (share * gain)).backward()  # type: ignore[no-untyped-call]
            total, w_mean = total + lengths.detach().mean() * share, w_mean + w.mean(dim=0) * share
        self._track(w_mean)
        return total, torch.lerp(mean, self._world.total(total), loss.PATH_LENGTH_DECAY)

    def discriminator_loss(
        self, real: Tensor, classes: Tensor | None, anchors: Tensor, rng: torch.Generator
    ) -> Answers:
        """Gradients of the discriminator.

        Args:
            anchors: (2,), running means of its logits, see lecam.py.
        """
        count, weight = self._settings.batch, self._settings.lecam_weight
        latents = self._latents(count, rng)
        drawn_fake, drawn_real = self._draw(count, rng), self._draw(count, rng)
        total, w_mean, answered = self._zero(), self._zero(), self._zero()
        for part, share in self._world.parts(count, self._settings.micro_batch):
            own = latents.rows(part)
            with torch.no_grad():
                fake, _, w = own.synthesise(self._generator)
                fake, shown = drawn_fake.rows(part).apply(fake), drawn_real.rows(part).apply(real[part])
            # In one pass, which is faster: kernels are prepared, and their gradients added up, once.
            seen = None if classes is None or own.classes is None else torch.cat([classes[part], own.classes])
            real_logits, fake_logits = self._discriminator(torch.cat([shown, fake]), seen, sets=2).chunk(2)
            value = loss.discriminator_loss(real_logits, fake_logits)
            if weight:
                value = value + lecam_penalty(real_logits, fake_logits, anchors) * weight
            (value * share).backward()  # type: ignore[no-untyped-call]
            total, w_mean = total + value.detach() * share, w_mean + w.mean(dim=0) * share
            with torch.no_grad():
                means = real_logits.mean() * share, fake_logits.mean() * share
                answered = answered + torch.stack([real_logits.sign().sum(), *means])
        self._track(w_mean)
        answered = self._world.total(answered)  # one message
        return Answers(total, answered[0], answered[1:])

    def r1(self, real: Tensor, classes: Tensor | None, gain: float, rng: torch.Generator) -> Tensor:
        """Gradients of the discriminator times a gain, and the penalty."""
        count, drawn, total = self._settings.batch, self._draw(self._settings.batch, rng), self._zero()
        for part, share in self._world.parts(count, self._settings.micro_batch):
            shown = real[part].clone().requires_grad_()
            logits = self._discriminator(drawn.rows(part).apply(shown), _rows(classes, part))
            value = loss.r1_penalty(shown, logits, self._settings.r1_gamma)
            (value * (share * gain)).backward()  # type: ignore[no-untyped-call]
            total = total + value.detach() * share
        return total

    def _latents(self, count: int, rng: torch.Generator) -> Latents:
        mixing = self._settings.style_mixing
        return draw_latents(self._generator, count, mixing, self._real_classes, rng, self._device)

    def _track(self, w_mean: Tensor) -> None:
        """Move the average of w towards the mean of the whole batch."""
        self._generator.mapping.track(self._world.total(w_mean)[None])

    def _zero(self) -> Tensor:
        return torch.zeros((), device=self._device)


def _rows(classes: Tensor | None, part: slice) -> Tensor | None:
    return None if classes is None else classes[part]
