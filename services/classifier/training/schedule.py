"""What happens when in a cycle: warm-up, fine-tuning, decay, the end; functions of settings and step alone."""

import math
from typing import Literal

from services.classifier.settings import TrainingSettings
from services.classifier.training.augment import Moves, draw_moves

Stage = Literal["pixels", "stem", "pooled"]  # images; what the trainable top of the base takes; embeddings


class Schedule:
    """The course of a cycle.

    Attributes:
        steps: optimiser steps an epoch.
    """

    def __init__(self, settings: TrainingSettings, images: int) -> None:
        self._settings = settings
        self.steps = settings.steps_per_epoch or math.ceil(images / settings.batch)

    def embeds(self, epoch: int) -> bool:
        """Whether an epoch works on embeddings: the base stands still, and so do the images."""
        return self.stage(epoch) == "pooled"

    def stage(self, epoch: int) -> Stage:
        """What an epoch, counted from 0, starts from: what stands still in front of it is computed once."""
        settings = self._settings
        still = settings.augment == 0 and not (settings.mirror_x or settings.mirror_y)
        if epoch < settings.warmup_epochs or (settings.trainable_base == "none" and still):
            return "pooled"
        # A base that starts from nothing estimates its batch normalisation's statistics, in all of it.
        if settings.trainable_base == "top" and settings.initial_weights != "random" and still:
            return "stem"
        return "pixels"

    def progress(self, step: int) -> float:
        """Share of the steps after the warm-up that lie before a step, in [0, 1); -1 in the warm-up."""
        before = self._settings.warmup_epochs * self.steps
        return -1.0 if step < before else (step - before) / (self._settings.epochs * self.steps - before)

    def moves(self, seed: int, step: int) -> Moves | None:
        """Changes of the images of a step."""
        settings = self._settings
        return draw_moves(
            settings.batch, settings.input_px, settings.augment, settings.mirror_x, settings.mirror_y, seed, step
        )

    def ends(self, done: int, best: int) -> bool:
        """Whether a cycle is over after so many epochs, the best of which was `best` (counted from 1).

        Patience counts after the warm-up only: fine-tuning often begins with a step back.
        """
        settings = self._settings
        waited = done - max(best, settings.warmup_epochs)
        return done >= settings.epochs or (settings.patience > 0 and waited >= settings.patience)
