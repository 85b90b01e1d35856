"""What happens when in a cycle: warm-up, fine-tuning, decay, the end; functions of settings and step alone."""

import math

from services.classifier.settings import TrainingSettings
from services.classifier.training.augment import Moves, draw_moves


class Schedule:
    """The course of a cycle.

    Attributes:
        steps: optimiser steps an epoch.
    """

    def __init__(self, settings: TrainingSettings, images: int) -> None:
        self._settings = settings
        self.steps = settings.steps_per_epoch or math.ceil(images / settings.batch)

    def embeds(self, epoch: int) -> bool:
        """Whether an epoch, counted from 0, works on embeddings: the base stands still, and so do the images."""
        settings = self._settings
        still = settings.augment == 0 and not (settings.mirror_x or settings.mirror_y)
        return epoch < settings.warmup_epochs or (settings.trainable_base == "none" and still)

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
