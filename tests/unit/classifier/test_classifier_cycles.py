"""A cycle that is killed goes on after the last epoch that was kept, and ends in the same weights."""

import queue
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from defectory.datasets.manifest import read_manifest
from defectory.errors import InvalidInput
from defectory.storage import ObjectStore, open_store
from services.classifier.settings import training_settings
from services.classifier.training import cycles, side_by_side
from services.classifier.training.check import check
from services.classifier.training.cycles import CycleResult, run_cycle
from services.classifier.training.preparation import Prepared, prepare
from services.classifier.training.side_by_side import cycles_at_once
from tests.contract.datasets import make_dataset

SETTINGS = training_settings(
    {
        "recipe": "paper", "initial_weights": "random", "width_multiplier": 0.35, "head_units": 8, "batch": 8,
        "epochs": 4, "warmup_epochs": 2, "learning_rate": 1e-3, "decay": "cosine", "augment": 0.5, "mirror_x": True,
    },
    32,
)  # fmt: skip


class Killed(Exception):
    """What stands for a kill: nothing is done after it."""


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    store = open_store("memory://")
    return prepare(store, read_manifest(store, make_dataset(store)), ("defect", "good"), SETTINGS, {})


def run(prepared: Prepared, store: ObjectStore, seen: list[int], kill_after: int = 0) -> CycleResult:
    def report(cycle: int, epochs: int, values: Mapping[str, float]) -> None:
        seen.append(epochs)
        if epochs == kill_after:
            raise Killed

    return run_cycle(store, "m/", prepared.trainer, prepared.parts, SETTINGS, 0, 11, report)


@pytest.fixture(scope="module")
def whole(prepared: Prepared) -> CycleResult:
    """A cycle that nothing interrupted."""
    return run(prepared, open_store("memory://"), [])


def epochs_kept(store: ObjectStore) -> tuple[int, ...]:
    """Of the first two cycles."""
    return tuple(cycles.epochs_kept(store, "m/", cycle, 4) for cycle in range(2))


def test_killed_in_any_phase_no_kept_epoch_is_repeated_and_it_ends_in_the_same_weights(
    prepared: Prepared, whole: CycleResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cycles, "KEPT_EVERY_S", 0)
    store, seen = open_store("memory://"), []
    assert epochs_kept(store) == (0, 0)
    for kill_after in (1, 3):  # in the warm-up, and in what follows
        with pytest.raises(Killed):
            run(prepared, store, seen, kill_after)
        assert epochs_kept(store) == (kill_after, 0)
    resumed = run(prepared, store, seen)
    assert epochs_kept(store) == (4, 0)
    assert seen == [1, 2, 3, 4]
    assert resumed == whole  # with the hash of the weights
    assert [info.key for info in store.list("m/")] == ["m/cycle-0.json", "m/cycle-0.safetensors"]
    assert run(prepared, store, []) == whole  # a finished cycle is only read


@pytest.mark.slow
def test_short_epochs_are_not_written_down_one_by_one_and_are_repeated_to_the_same_weights(
    prepared: Prepared, whole: CycleResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cycles, "KEPT_EVERY_S", 3600)
    store, seen = open_store("memory://"), []
    with pytest.raises(Killed):
        run(prepared, store, seen, 3)
    assert not list(store.list("m/"))
    assert run(prepared, store, seen) == whole
    assert seen == [1, 2, 3, 1, 2, 3, 4]


def test_every_epoch_is_measured_and_the_best_is_chosen_on_validation(whole: CycleResult) -> None:
    assert [entry["epoch"] for entry in whole.epochs] == [1, 2, 3, 4]
    for entry in whole.epochs:
        for split in ("train", "validation", "test"):
            assert set(entry[split]) == {"loss", "accuracy", "precision", "recall", "f1"}
    ranks = [(entry["validation"]["f1"], -entry["validation"]["loss"]) for entry in whole.epochs]
    assert whole.card.best_epoch == ranks.index(max(ranks)) + 1


def test_epochs_that_patience_spares_count_as_done(prepared: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cycles, "_rank", lambda entry: (0.0, 0.0))  # none is better than the first
    settings, seen = SETTINGS.model_copy(update={"epochs": 50, "patience": 2}), []
    trained = run_cycle(
        open_store("memory://"), "m/", prepared.trainer, prepared.parts, settings, 0, 11,
        lambda cycle, epochs, values: seen.append((epochs, "val_f1" in values)),
    )  # fmt: skip
    assert len(trained.epochs) == 4  # two of the warm-up, two that were waited
    assert seen == [(1, True), (2, True), (3, True), (50, True)]


class Untrained:
    """A trainer that nothing is asked of but its state."""

    def state(self) -> bytes:
        return b"state"

    def set_state(self, state: bytes) -> None:
        assert state == b"state"


def test_a_finished_cycle_leaves_the_others_checkpoints() -> None:
    store = open_store("memory://")
    first, tenth = (cycles._Checkpoint(store, f"m/cycle-{cycle}", Untrained()) for cycle in (1, 10))
    for checkpoint in (first, tenth):
        checkpoint.save([{}], cycles._Best(1, b"weights"))
    first.delete()
    assert first.restore() == ([], None)
    assert tenth.restore() == ([{}], cycles._Best(1, b"weights"))


@pytest.mark.parametrize("lost", ["c-1.npz", "c-best-1.safetensors"])
def test_a_cycle_whose_checkpoint_was_taken_from_it_starts_again(lost: str) -> None:
    store = open_store("memory://")
    checkpoint = cycles._Checkpoint(store, "c", Untrained())
    checkpoint.save([{}], cycles._Best(1, b"weights"))
    store.delete(lost)
    assert checkpoint.restore() == ([], None)


def test_only_what_changed_is_written_and_what_is_not_needed_any_more_goes() -> None:
    store = open_store("memory://")
    checkpoint = cycles._Checkpoint(store, "c", Untrained())
    for epoch, best in ((1, 1), (2, 1), (3, 3)):
        checkpoint.save([{}] * epoch, cycles._Best(best, f"weights {best}".encode()))
        assert {info.key for info in store.list("c")} == {"c.json", f"c-{epoch}.npz", f"c-best-{best}.safetensors"}
    resumed = cycles._Checkpoint(store, "c", Untrained())
    assert resumed.restore() == ([{}] * 3, cycles._Best(3, b"weights 3"))
    resumed.save([{}] * 4, cycles._Best(3, b"must not be written again"))
    assert store.get("c-best-3.safetensors") == b"weights 3"
    assert not store.exists("c-3.npz")


def test_while_the_base_stands_still_it_is_not_written(prepared: Prepared) -> None:
    trainer, pixels = prepared.trainer, prepared.parts["train"].pixels
    trainer.start_cycle(3)
    trainer.train(trainer.embed(pixels[:8]), np.zeros(8, int), 0, None)
    head = trainer.state()
    trainer.train(pixels[:8], np.zeros(8, int), 0, None)
    both, answers = trainer.state(), trainer.predict(pixels)
    assert len(head) < len(both) / 5
    trainer.start_cycle(3)
    trainer.set_state(head)
    assert trainer.state() == head
    trainer.train(pixels[:8], np.zeros(8, int), 0, None)
    np.testing.assert_array_equal(trainer.predict(pixels), answers)
    trainer.start_cycle(3)
    trainer.set_state(both)
    assert trainer.state() == both
    np.testing.assert_array_equal(trainer.predict(pixels), answers)


def test_a_cycle_that_diverges_ends_at_once(prepared: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    train, seen = prepared.trainer.train, []

    def diverging(*arguments) -> np.ndarray:
        return train(*arguments) * (np.nan if seen else 1)

    monkeypatch.setattr(prepared.trainer, "train", diverging)
    with pytest.raises(InvalidInput, match="cycle 1 diverged in epoch 2: its loss is no number") as caught:
        run(prepared, open_store("memory://"), seen)
    assert "settings.learning_rate" in caught.value.fields
    assert seen == [1]


def test_what_nobody_expected_in_a_cycles_process_is_told_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    messages: queue.SimpleQueue = queue.SimpleQueue()
    for error, kind in ((ZeroDivisionError("of nothing"), RuntimeError), (InvalidInput("no"), InvalidInput)):

        def fail(error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(side_by_side, "die_with_parent", fail)
        side_by_side._work(None, 3, messages)
        cycle, said = messages.get_nowait()
        assert (cycle, type(said)) == (3, kind)
        assert str(error) in str(said)


def test_processes_are_started_where_they_pay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(side_by_side.os, "sched_getaffinity", lambda _: set(range(3)))
    long = {"recipe": "paper", "epochs": 40, "batch": 32}
    for changes, images, count, expected in (
        ({}, 320, 5, 3),  # as many as there are cores
        ({}, 320, 2, 2),
        ({"recipe": "best"}, 320, 5, 1),  # the base stands still
        ({"trainable_base": "none", "augment": 0.5}, 320, 5, 1),  # so do the views
        ({"trainable_base": "none", "augment": 0.5, "views": 0}, 320, 5, 3),  # no image is the same twice
        ({"epochs": 2}, 320, 5, 1),  # 20 steps are done before TensorFlow has started
    ):
        settings = training_settings({**long, **changes}, 64)
        assert cycles_at_once(settings, images, count) == expected
    monkeypatch.setattr(side_by_side.os, "sched_getaffinity", lambda _: set(range(64)))
    assert cycles_at_once(training_settings(long, 64), 320, 30) == 4


def test_a_misspelt_label_of_good_parts_is_refused_before_a_training() -> None:
    store = open_store("memory://")
    lines = read_manifest(store, make_dataset(store))
    with pytest.raises(InvalidInput, match=r"the label of good parts 'goood': name one of defect, good"):
        check(lines, {"good_label": "goood"})
    kinds = [replace(line, label={"good": "scratch"}.get(line.label, line.label)) for line in lines]
    assert check(kinds, {})[0] == ("defect", "scratch"), "defects alone can be told apart, too"


def test_one_label_is_nothing_to_tell_apart() -> None:
    store = open_store("memory://")
    good = [line for line in read_manifest(store, make_dataset(store)) if line.label == "good"]
    with pytest.raises(InvalidInput, match="give training images of at least two labels"):
        check(good, {})
