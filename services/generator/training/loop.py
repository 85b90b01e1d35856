"""The resumable loop: steps, checkpoints, snapshots, progress; rolls back once when something is not finite.

Every checkpoint is one that can be gone on from: losses are finite before anything is looked at, weights, averages and
optimisers' states are looked through where a checkpoint is written, and pictures where a snapshot is judged.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
import structlog

from defectory.errors import NotMade
from defectory.storage import ObjectStore
from services.generator.rendering import NotFinite
from services.generator.tensors import under
from services.generator.training.board import Board
from services.generator.training.checkpoints import Checkpoints
from services.generator.training.reproducibility import computed_by, warn_of_change
from services.generator.training.settings import TrainingSettings
from services.generator.training.snapshot_judge import Course, Judge, Judgement
from services.generator.training.snapshots import draw_sheet, write_history, write_sheet
from services.generator.training.storing import if_possible, until_possible
from services.generator.training.trainer import Trainer, all_finite

TICK_IMAGES = 4000  # between two lines of the log, as in the reference; or a snapshot's interval, where that is less
CHECKPOINT_EVERY_S = 900.0  # also between snapshots: so much is computed again after a kill at most
BEST = "best/"  # of the names of the best snapshot's weights in a checkpoint

log = structlog.get_logger(__name__)


class Report(Protocol):
    """Told about progress after every step; whatever it raises stops the training, behind a checkpoint."""

    def __call__(self, images_seen: int, values: Mapping[str, float], sample_key: str) -> None:
        """Take note.

        Args:
            images_seen: by the discriminator so far.
            values: losses by name, p, r_t, tick, images_s; kid and others as of the latest snapshot.
            sample_key: object key of the latest sheet of samples, or empty.
        """


@dataclass(frozen=True)
class Trained:
    """A training at its end."""

    trainer: Trainer
    course: Course
    sample_key: str  # of the last sheet of samples


def identity(
    settings: TrainingSettings, seed: int, content_hash: str, initial_model: str, held_out_hash: str = ""
) -> dict[str, Any]:
    """Everything that decides how a training goes; settings at their defaults are left out, so that a later version
    that has more of them still takes up its checkpoints.

    Args:
        content_hash: of the images learned from. held_out_hash: of those that snapshots are measured on.
    """
    return {
        "settings": settings.model_dump(mode="json", exclude_defaults=True),
        "seed": seed,
        "images": content_hash,
        "held-out images": held_out_hash,
        "initial model": initial_model,
    }


def train(
    make_trainer: Callable[[], Trainer],
    store: ObjectStore,
    prefix: str,
    identity: Mapping[str, Any],
    report: Report,
    judge: Judge | None = None,
) -> Trained:
    """Train to the end, from the newest checkpoint if there is one.

    Args:
        make_trainer: makes the training as it is before its first step.
        prefix: where the model's version lies in the store, ending in '/'.
        identity: see `identity`.
        report: see `Report`.
        judge: measures snapshots; None: they are not measured.

    Raises:
        NotMade: losses, weights or pictures are not finite, twice. FailedPrecondition: the checkpoints that are there
            are of another training. Whatever report raises.
    """
    run = _Run(make_trainer, store, prefix, identity, report, judge)
    run.go()
    return Trained(run.trainer, run.course, run.sample_key)


class _Run:
    """One process's part of a training."""

    def __init__(
        self,
        make_trainer: Callable[[], Trainer],
        store: ObjectStore,
        prefix: str,
        identity: Mapping[str, Any],
        report: Report,
        judge: Judge | None,
    ) -> None:
        self._make_trainer = make_trainer
        self._store = store
        self._prefix = prefix
        self._report = report
        self._judge = judge
        self._board = Board(store, prefix)
        self._values: dict[str, float] = {}  # of the latest step of this process
        self.sample_key = ""
        self.trainer = make_trainer()
        self.course = Course(self.trainer.settings)
        keep = self.trainer.settings.keep_checkpoints
        self._checkpoints = Checkpoints(store, prefix, identity, keep)
        self._restore()
        self._ticks = Ticks(self.trainer.settings, self.trainer.images_seen)
        self._saved_at = time.monotonic()

    def go(self) -> None:
        """Step until the training is over."""
        while True:
            try:
                self._attend()
            except NotFinite as error:
                self._roll_back(str(error))
                continue
            except BaseException:  # also the service's way of saying that it stops: leave nothing to be computed again
                if_possible("checkpoint", self._save)
                if_possible("event file", lambda: self._board.write(self.trainer.images_seen))
                raise
            if self.course.is_over(self.trainer.images_seen):
                return
            self._step()

    def _attend(self) -> None:
        """Between two steps: a snapshot or a checkpoint where one is due, and progress."""
        if self.course.is_due(self.trainer.images_seen):
            self._snapshot()
        elif time.monotonic() - self._saved_at > CHECKPOINT_EVERY_S:
            if_possible("checkpoint", self._save)
        if self._values:
            self._tell()

    def _step(self) -> None:
        """Train until somebody is to look: nothing waits for the device before that, and none that diverged is kept."""
        trainer, course = self.trainer, self.course
        while True:
            trainer.train_step()
            due = course.is_due(trainer.images_seen) or course.is_over(trainer.images_seen)
            if due or trainer.step % trainer.tick_steps == 0:
                break
        values = trainer.losses.read()  # of all steps since the last time: none that is not finite goes by
        if not all_finite(values):
            self._roll_back(", ".join(f"{name} {value:.4g}" for name, value in values.items()))
            return
        self._values = values
        if self._ticks.count(trainer, values):
            self._board.add(trainer.images_seen, self._ticks.latest)

    def _snapshot(self) -> None:
        """Judge the averaged generator and write a checkpoint; only the last one is waited for.

        Raises:
            NotFinite: weights or pictures are not; nothing is written.
        """
        trainer, course = self.trainer, self.course
        judgement, picture, why_not = trainer.world.agreed(self._look())
        if why_not:
            raise NotFinite(why_not)
        course.record(trainer.images_seen, judgement, trainer.control, trainer.average.state_dict())
        if course.is_over(trainer.images_seen):
            until_possible("the last checkpoint", self._save, self._tell, trainer.world)
        else:
            if_possible("checkpoint", self._save)
        log.info("snapshot", **course.history[-1].line())
        self._board.add(trainer.images_seen, judgement.scores)
        self._board.add_sheet(trainer.images_seen, picture)
        write = partial(write_sheet, self._store, self._prefix, trainer.images_seen, picture)
        self.sample_key = if_possible("sheet of samples", write) or self.sample_key
        if_possible("history", partial(write_history, self._store, self._prefix, course.history))
        if_possible("event file", partial(self._board.write, trainer.images_seen))

    def _look(self) -> tuple[Judgement, np.ndarray, str]:
        """A judgement and a sheet of the averaged generator, and why there are none: empty where all is finite."""
        trainer, judgement = self.trainer, Judgement()
        try:
            if not trainer.is_finite():
                raise NotFinite("weights, their averages or an optimiser's states are not finite")
            if self._judge is not None:
                judgement = self._judge.look(trainer.average, trainer.control, self._tell)
            return judgement, draw_sheet(trainer.average), ""
        except NotFinite as error:
            return judgement, np.empty(0), str(error)

    def _tell(self) -> None:
        """Report progress."""
        values = {**self._values, **self._ticks.values(), **self.course.values()}
        values |= {"p": self.trainer.p, "r_t": self.trainer.control.r_t, "kimg": self.trainer.images_seen / 1000}
        self._report(self.trainer.images_seen, values, self.sample_key)

    def _save(self) -> None:
        """Write a checkpoint, unless nothing could go on from it; then the next step's losses or snapshot say so."""
        self._saved_at = time.monotonic()  # also where it fails: a store that is away is not asked after every step
        if not self.trainer.is_finite():
            log.warning("not finite, no checkpoint written", images_seen=self.trainer.images_seen)
            return
        tensors, scalars = self.trainer.state()
        best, course = self.course.state()
        tensors |= {f"{BEST}{name}": value for name, value in best.items()}
        self._checkpoints.save(
            self.trainer.images_seen,
            tensors,
            {**scalars, "course": course, "computed_by": computed_by(self.trainer.device)},
        )

    def _restore(self) -> None:
        """Back to the newest checkpoint, if there is one."""
        checkpoint = self._checkpoints.latest()
        if checkpoint is None:
            return
        tensors, scalars = checkpoint
        self.trainer.restore(tensors, scalars)
        best = under(tensors, BEST)
        self.course.restore(best, scalars["course"])
        log.info("resumed", images_seen=self.trainer.images_seen)
        warn_of_change(scalars.get("computed_by", {}), computed_by(self.trainer.device))

    def _roll_back(self, reason: str) -> None:
        """To the last checkpoint, with other random numbers from there on; not a second time."""
        seen = self.trainer.images_seen
        if self.trainer.attempt:
            right = "lower learning_rate or raise r1_gamma"
            raise NotMade(f"training diverged twice, at {seen} images ({reason}): {right}")
        log.warning("not finite, rolling back", images_seen=seen, reason=reason)
        self.trainer = self._make_trainer()
        self.course = Course(self.trainer.settings)
        until_possible("the checkpoint to roll back to", self._restore, self._tell, self.trainer.world)
        self.trainer.attempt = 1
        self._values = {}


class Ticks:
    """Means of the losses over a stretch of images, for people; no part of the training's state.

    Args:
        images_seen: before the first step that is counted.
    """

    def __init__(self, settings: TrainingSettings, images_seen: int) -> None:
        self._interval = min(TICK_IMAGES, settings.snapshot_images)
        self._tick = images_seen // self._interval
        self._from = (time.monotonic(), images_seen)
        self._sums: dict[str, tuple[float, int]] = {}
        self.latest: dict[str, float] = {}  # means over the last whole tick, and what the controller says

    def count(self, trainer: Trainer, values: Mapping[str, float]) -> bool:
        """Count a step; whether it ended a tick."""
        for name, value in values.items():
            total, count = self._sums.get(name, (0.0, 0))
            self._sums[name] = total + value, count + 1
        tick = trainer.images_seen // self._interval
        if tick <= self._tick:
            return False
        self.latest = {name: total / count for name, (total, count) in self._sums.items()}
        self.latest |= {"p": trainer.p, "r_t": trainer.control.r_t, "images_s": self._rate(trainer.images_seen)}
        self._tick, self._sums = tick, {}
        shown = {name: round(value, 4) for name, value in self.latest.items()}
        log.info("tick", tick=tick, kimg=trainer.images_seen / 1000, **shown)
        return True

    def values(self) -> dict[str, float]:
        """For progress: the number of the tick, and images a second over the last one."""
        rate = {"images_s": self.latest["images_s"]} if self.latest else {}
        return {"tick": float(self._tick), **rate}

    def _rate(self, images_seen: int) -> float:
        """Images a second since the last call."""
        now = time.monotonic()
        (then, before), self._from = self._from, (now, images_seen)
        return (images_seen - before) / max(now - then, 1e-9)
