"""What happens when in a cycle: warm-up, fine-tuning, decay, the end; functions of settings and step alone."""

import math

import numpy as np

from services.classifier.data import Stage
from services.classifier.settings import TrainingSettings
from services.classifier.training.moves import Moves, View, draw_moves


class Schedule:
    """The course of a cycle.

    Attributes:
        steps: optimiser steps an epoch.
    """

    def __init__(self, settings: TrainingSettings, images: int) -> None:
        self._settings = settings
        self.steps = settings.steps_per_epoch or math.ceil(images / settings.batch)

    def embeds(self, epoch: int) -> bool:
        """Whether an epoch works on embeddings: the base stands still, and so do the images, or their views."""
        return self.stage(epoch) in ("pooled", "views")

    def stage(self, epoch: int) -> Stage:
        """What an epoch, counted from 0, starts from: what stands still in front of it is computed once."""
        settings = self._settings
        still = settings.augment == 0 and not (settings.mirror_x or settings.mirror_y)
        if epoch < settings.warmup_epochs or (settings.trainable_base == "none" and still):
            return "pooled"
        if settings.trainable_base == "none" and settings.views and settings.initial_weights != "random":
            return "views"
        # A base that starts from nothing estimates its batch normalisation's statistics, in all of it.
        if settings.trainable_base == "top" and settings.initial_weights != "random" and still:
            return "stem"
        return "pixels"

    def progress(self, step: int) -> float:
        """Share of the steps after the warm-up that lie before a step, in [0, 1); -1 in the warm-up."""
        before = self._settings.warmup_epochs * self.steps
        return -1.0 if step < before else (step - before) / (self._settings.epochs * self.steps - before)

    def real_share(self, epoch: int) -> float | None:
        """Least share of photographs among a label's draws in an epoch, counted from 0; None: images as they come."""
        settings = self._settings
        if settings.pretraining is None:
            return settings.real_share
        if epoch < round(settings.pretraining * settings.epochs):
            return 0.0
        return 1.0 if settings.real_share is None else settings.real_share

    @property
    def drawn_from(self) -> list[View]:
        """The views that steps draw among, if any epoch does."""
        settings = self._settings
        if self.stage(settings.epochs - 1) != "views":
            return []
        return [
            View(number, settings.augment, settings.mirror_x, settings.mirror_y)
            for number in range(1, settings.views + 1)
        ]

    def shown(self, seed: int, step: int) -> np.ndarray:
        """Which view a step shows of each of its images, (batch,): a function of seed and step alone."""
        settings = self._settings
        return np.random.default_rng([seed, step, 11]).integers(0, settings.views, settings.batch)

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
