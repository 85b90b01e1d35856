"""Training cycles: every epoch measured, the best one chosen on validation, resumed from shortly before a kill."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from defectory.errors import InvalidInput, NotFound
from defectory.storage.store import ObjectStore
from services.classifier.bundle import put_weights, weights_bytes
from services.classifier.card import CycleCard
from services.classifier.data import Part
from services.classifier.settings import TrainingSettings
from services.classifier.training.measurement import measure
from services.classifier.training.order import Drawable, batches
from services.classifier.training.schedule import Schedule
from services.classifier.training.trainer import Trainer

KEPT_EVERY_S = 5.0  # of work, the most that a kill loses: an epoch of a head takes less time than to write it down
SETTLED_BY = 1024  # images of an epoch that the head's statistics are of: enough for 3% of a standard deviation

Report = Callable[[int, int, Mapping[str, float]], None]  # cycle, epochs of it done, measurements


@dataclass(frozen=True)
class CycleResult:
    """What a cycle left in the store."""

    card: CycleCard
    epochs: list[dict[str, Any]]  # {"epoch": 1, "train": {…}, "validation": {…}, "test": {…}}


def epochs_kept(store: ObjectStore, prefix: str, cycle: int, epochs: int) -> int:
    """How many of a cycle's epochs are in the store: all of them where it was trained to its end.

    Args:
        epochs: of a whole cycle.
    """
    if store.exists(_result_key(prefix, cycle)):
        return epochs
    where = _read_json(store, f"{_checkpoint(prefix, cycle)}.json")
    return 0 if where is None else len(where["epochs"])


def run_cycle(
    store: ObjectStore,
    prefix: str,
    trainer: Trainer,
    parts: Mapping[str, Part],
    settings: TrainingSettings,
    cycle: int,
    seed: int,
    report: Report,
) -> CycleResult:
    """Train one cycle, or go on with it; a finished one is only read.

    Args:
        prefix: the version's key prefix. cycle: counted from 0. seed: of this cycle.
        parts: whose inputs get what their images give under the base as cycles start, by the first cycle to need it.

    Raises:
        InvalidInput: it diverges.
    """
    done = _read_json(store, _result_key(prefix, cycle))
    state = _Checkpoint(store, _checkpoint(prefix, cycle), trainer)
    if done is not None:
        state.delete()  # it may have been killed before it had
        report(cycle, settings.epochs, {})
        return CycleResult(CycleCard.model_validate(done["card"]), done["epochs"])
    trainer.start_cycle(seed)
    if not trainer.cycles_start_alike:
        for part in parts.values():
            part.forget()
    epochs, best = state.restore()
    train = parts["train"]
    schedule = Schedule(settings, len(train.lines))
    images = Drawable.of(train.lines, train.labels)
    kept_s = time.monotonic()
    while not schedule.ends(len(epochs), best.epoch if best else 0):
        epoch = len(epochs)
        stage = schedule.stage(epoch)
        for part in parts.values():
            if stage not in part.inputs:
                part.inputs[stage] = trainer.features(stage, part.pixels)
        inputs = train.inputs[stage]
        order = batches(
            images, epoch=epoch, steps=schedule.steps, batch=settings.batch, real_share=schedule.real_share(epoch),
            seed=seed,
        )  # fmt: skip
        seen = []
        for number, chosen in enumerate(order):
            step = epoch * schedule.steps + number
            moves = schedule.moves(seed, step) if stage == "pixels" else None
            shown = inputs[chosen, schedule.shown(seed, step)] if stage == "views" else inputs[chosen]
            seen.append(trainer.train(shown, train.labels[chosen], schedule.progress(step), moves))
        trainer.settle(train.inputs["pooled" if stage == "views" else stage][_spread(order.ravel(), SETTLED_BY)])
        entry: dict[str, Any] = {
            "epoch": epoch + 1,
            "train": measure(train.labels[order.ravel()], np.concatenate(seen), settings.focal_gamma),
        }
        for split in ("validation", "test"):
            if parts[split].lines:
                probabilities = trainer.predict(parts[split].inputs[stage])
                entry[split] = measure(parts[split].labels, probabilities, settings.focal_gamma)
        _check_converges(entry, cycle)
        epochs.append(entry)
        if best is None or _rank(entry) > _rank(epochs[best.epoch - 1]):
            best = _Best(epoch + 1, weights_bytes(trainer.network))
        over = schedule.ends(len(epochs), best.epoch)  # epochs that patience spares count as done
        if not over and time.monotonic() - kept_s >= KEPT_EVERY_S:
            state.save(epochs, best)
            kept_s = time.monotonic()
        values = {"loss": entry["train"]["loss"], "val_f1": entry["validation"]["f1"]}
        report(cycle, settings.epochs if over else epoch + 1, values)
    assert best is not None  # settings.epochs >= 1
    weights = put_weights(store, prefix, f"cycle-{cycle}.safetensors", best.weights)
    card = CycleCard(seed=seed, best_epoch=best.epoch, weights=weights)
    store.put(_result_key(prefix, cycle), json.dumps({"card": card.model_dump(), "epochs": epochs}).encode())
    state.delete()
    return CycleResult(card, epochs)


def _result_key(prefix: str, cycle: int) -> str:
    return f"{prefix}cycle-{cycle}.json"


def _checkpoint(prefix: str, cycle: int) -> str:
    """How the keys of a cycle's checkpoint begin."""
    return f"{prefix}checkpoints/cycle-{cycle}"


def _spread(order: np.ndarray, most: int) -> np.ndarray:
    """At most so many of an epoch's images, in the mixture that its batches had."""
    chosen: np.ndarray = order[np.linspace(0, len(order) - 1, min(most, len(order))).astype(int)]
    return chosen


def _check_converges(entry: Mapping[str, Any], cycle: int) -> None:
    """InvalidInput for an epoch after which the weights are no numbers any more: nothing gets better from there."""
    losses = (entry[split]["loss"] for split in ("train", "validation", "test") if split in entry)
    if not np.isfinite(list(losses)).all():
        right = "use a lower learning rate, a lower l2 or a lower focal_gamma"
        raise InvalidInput(
            f"cycle {cycle + 1} diverged in epoch {entry['epoch']}: its loss is no number: {right}",
            {"settings.learning_rate": right},
        )


def _rank(entry: Mapping[str, Any]) -> tuple[float, float]:
    """Better is greater: validation macro-F1, then the lower validation loss. The test split has no say."""
    return entry["validation"]["f1"], -entry["validation"]["loss"]


@dataclass(frozen=True)
class _Best:
    epoch: int
    weights: bytes


class _Checkpoint:
    """Where a cycle stands after its last epoch; the last object written makes it valid.

    Only what changed is written: the best epoch's weights when there is a better one, and of the network what has been
    trained so far, so that the short epochs of a head alone have small checkpoints.
    """

    def __init__(self, store: ObjectStore, prefix: str, trainer: Trainer) -> None:
        self._store, self._prefix, self._trainer = store, prefix, trainer
        self._kept: tuple[str, ...] = ()  # keys of the state and of the best weights that the last card names

    def restore(self) -> tuple[list[dict[str, Any]], _Best | None]:
        where = _read_json(self._store, f"{self._prefix}.json")
        if where is None:
            return [], None
        keys = self._keys(len(where["epochs"]), where["best_epoch"])
        try:
            state, weights = (self._store.get(key) for key in keys)
        except NotFound:
            return [], None  # somebody tidied up: the cycle starts again, which is better than never to start
        self._trainer.set_state(state)
        self._kept = keys
        return where["epochs"], _Best(where["best_epoch"], weights)

    def save(self, epochs: list[dict[str, Any]], best: _Best) -> None:
        state, weights = self._keys(len(epochs), best.epoch)
        before, self._kept = self._kept, (state, weights)
        self._store.put(state, self._trainer.state())
        if weights not in before:
            self._store.put(weights, best.weights)
        where = {"epochs": epochs, "best_epoch": best.epoch}
        self._store.put(f"{self._prefix}.json", json.dumps(where).encode())
        for key in set(before) - {state, weights}:
            self._store.delete(key)

    def delete(self) -> None:
        self._store.delete(f"{self._prefix}.json")  # first: what it names is gone afterwards
        for info in list(self._store.list(f"{self._prefix}-")):  # cycle 1's, and not cycle 10's
            self._store.delete(info.key)

    def _keys(self, epoch: int, best: int) -> tuple[str, str]:
        return f"{self._prefix}-{epoch}.npz", f"{self._prefix}-best-{best}.safetensors"


def _read_json(store: ObjectStore, key: str) -> dict[str, Any] | None:
    try:
        content: dict[str, Any] = json.loads(store.get(key))
    except NotFound:
        return None
    return content
