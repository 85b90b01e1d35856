"""The resumable loop: steps, checkpoints, sample sheets, progress; rolls back once when a loss is not finite."""

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Protocol

import structlog

from defectory.errors import Exhausted, FailedPrecondition, Unavailable
from defectory.imaging import encode_png
from defectory.storage import ObjectStore
from services.generator.rendering import render, sheet
from services.generator.training.checkpoints import Checkpoints
from services.generator.training.settings import TrainingSettings
from services.generator.training.trainer import Trainer, all_finite

SHEET_SEEDS = range(32)
SHEET_COLUMNS = 8

log = structlog.get_logger(__name__)


class Report(Protocol):
    """Told about progress after every step; whatever it raises stops the training, behind a checkpoint."""

    def __call__(self, images_seen: int, values: Mapping[str, float], sample_key: str) -> None:
        """Take note.

        Args:
            images_seen: by the discriminator so far.
            values: losses by name, p and r_t.
            sample_key: object key of the latest sheet of samples, or empty.
        """


def fingerprint(settings: TrainingSettings, seed: int, content_hash: str, initial_model: str) -> str:
    """SHA-256 of everything that decides how a training goes."""
    text = json.dumps([settings.model_dump(mode="json"), seed, content_hash, initial_model], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def train(
    make_trainer: Callable[[], Trainer],
    store: ObjectStore,
    prefix: str,
    fingerprint: str,
    report: Report,
) -> tuple[Trainer, str]:
    """Train to the end, from the newest checkpoint if there is one.

    Args:
        make_trainer: makes the training as it is before its first step.
        prefix: where the model's version lies in the store, ending in '/'.
        fingerprint: see `fingerprint`.
        report: see `Report`.

    Returns:
        the finished training, and the object key of its last sheet of samples.

    Raises:
        FailedPrecondition: a loss is not finite, twice.
    """
    checkpoints = Checkpoints(store, prefix, fingerprint)
    trainer = _resumed(make_trainer, checkpoints)
    settings = trainer.settings
    sample_key = ""
    while trainer.images_seen < settings.total_images:
        snapshot_before = trainer.images_seen // settings.snapshot_images
        trainer.train_step()
        finished = trainer.images_seen >= settings.total_images
        due = finished or trainer.images_seen // settings.snapshot_images > snapshot_before
        if not due and trainer.step % trainer.tick_steps:
            continue  # nothing is looked at, so nothing waits for the device
        values = trainer.losses.read()  # of all steps since the last time: none that is not finite goes by
        if not all_finite(values):
            trainer = _rolled_back(trainer, values, make_trainer, checkpoints)
            continue
        values |= {"p": trainer.p, "r_t": trainer.control.r_t, "kimg": trainer.images_seen / 1000}
        if due:
            sample_key = _snapshot(trainer, store, prefix, checkpoints, must_succeed=finished)
        try:
            report(trainer.images_seen, values, sample_key)
        except BaseException:  # also the service's way of saying that it stops: leave nothing to be computed again
            checkpoints.save(trainer.images_seen, *trainer.state())
            raise
    return trainer, sample_key or write_sheet(trainer, store, prefix)


def write_sheet(trainer: Trainer, store: ObjectStore, prefix: str) -> str:
    """Write what the averaged generator makes of fixed seeds, and return the object key."""
    images = render(trainer.average, SHEET_SEEDS, truncation_psi=1.0, noise_mode="const")
    key = f"{prefix}samples/{trainer.images_seen:012d}.png"
    store.put(key, encode_png(sheet(images, SHEET_COLUMNS)))
    return key


def _resumed(make_trainer: Callable[[], Trainer], checkpoints: Checkpoints) -> Trainer:
    trainer = make_trainer()
    found = checkpoints.latest()
    if found is not None:
        trainer.restore(*found)
        log.info("resumed", images_seen=trainer.images_seen)
    return trainer


def _rolled_back(
    trainer: Trainer, values: Mapping[str, float], make_trainer: Callable[[], Trainer], checkpoints: Checkpoints
) -> Trainer:
    """The training as of its last checkpoint, with other random numbers from there on."""
    told = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
    if trainer.attempt:
        right = "lower learning_rate or raise r1_gamma"
        raise FailedPrecondition(f"training diverged twice, at {trainer.images_seen} images ({told}): {right}")
    log.warning("loss is not finite, rolling back", images_seen=trainer.images_seen, losses=told)
    fresh = _resumed(make_trainer, checkpoints)
    fresh.attempt = 1
    return fresh


def _snapshot(
    trainer: Trainer, store: ObjectStore, prefix: str, checkpoints: Checkpoints, *, must_succeed: bool
) -> str:
    """Checkpoint and sample sheet; while training goes on, a store that is full or away can wait for the next one."""
    try:
        checkpoints.save(trainer.images_seen, *trainer.state())
        return write_sheet(trainer, store, prefix)
    except (Unavailable, Exhausted) as error:
        if must_succeed:
            raise
        log.warning("snapshot was not written, training goes on", images_seen=trainer.images_seen, error=str(error))
        return ""
