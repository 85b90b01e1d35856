"""The loop: resumes to the bit, averages, freezes, rolls back, transfers."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from structlog.testing import capture_logs

from defectory.errors import Exhausted, FailedPrecondition, Refused
from defectory.storage import ObjectStore
from services.generator.tensors import dump, parse
from services.generator.training import loop, trainer, transfer
from services.generator.training.checkpoints import Checkpoints
from services.generator.training.data import Epochs, Prefetched
from services.generator.training.distributed import ALONE, World
from services.generator.training.snapshot_judge import Course
from services.generator.training.trainer import Trainer
from tests.unit.generator.generator_samples import small_settings, write_generator

PREFIX = "models/generator/m/1/"
IDENTITY = {"seed": 5}


class Stopped(BaseException):
    """The service stops."""


def images() -> torch.Tensor:
    return torch.randint(0, 256, (5, 3, 16, 16), generator=torch.Generator().manual_seed(0)).to(torch.uint8)


def make(*, classes: int = 0, world: World = ALONE, **given: Any) -> Trainer:
    settings = small_settings(classes=classes, **{"augment_mode": "ada", "augment_target": 0.1, **given})
    return Trainer(images(), settings, 5, torch.arange(5) % classes if classes else None, world)


def digest(one: Trainer) -> tuple[str, str]:
    tensors, scalars = one.state()
    return dump(tensors)[1], json.dumps(scalars)


def ignore(images_seen: int, values: Mapping[str, float], sample_key: str) -> None:
    """A report that nobody reads."""


@pytest.mark.parametrize("given", [{}, {"lecam_weight": 0.3}])
def test_a_state_through_safetensors_and_json_goes_on_to_the_bit(given: dict[str, Any]) -> None:
    whole, first = make(**given), make(**given)
    for _ in range(12):
        whole.train_step()
    for _ in range(5):
        first.train_step()
    tensors, scalars = first.state()
    data, sha256 = dump(tensors)
    second = make(**given)
    second.restore(parse(data, sha256, "test"), json.loads(json.dumps(scalars)))
    for _ in range(7):
        second.train_step()
    assert whole.p > 0  # augmentation was on
    assert digest(second) == digest(whole)


@pytest.mark.parametrize("stop_at", [20, 32, 44])
def test_a_stopped_training_ends_in_the_same_weights(folder: ObjectStore, stop_at: int) -> None:
    whole = loop.train(make, folder, "models/generator/whole/1/", IDENTITY, ignore).trainer

    def stop(images_seen: int, values: Mapping[str, float], sample_key: str) -> None:
        if images_seen == stop_at:
            raise Stopped

    with pytest.raises(Stopped):
        loop.train(make, folder, PREFIX, IDENTITY, stop)
    steps = []
    resumed = loop.train(make, folder, PREFIX, IDENTITY, lambda n, v, s: steps.append(n))
    assert steps[0] == stop_at + 4  # nothing was computed again
    assert digest(resumed.trainer) == digest(whole)
    assert folder.exists(resumed.sample_key)


def test_going_on_with_other_threads_is_said(folder: ObjectStore) -> None:
    def stop(images_seen: int, values: Mapping[str, float], sample_key: str) -> None:
        if images_seen == 8:
            raise Stopped

    with pytest.raises(Stopped):
        loop.train(make, folder, PREFIX, IDENTITY, stop)
    threads = torch.get_num_threads()
    with capture_logs() as same:
        loop.train(make, folder, PREFIX, IDENTITY, ignore)
    torch.set_num_threads(threads + 1)
    try:
        with capture_logs() as other:
            loop.train(make, folder, PREFIX, IDENTITY, ignore)
    finally:
        torch.set_num_threads(threads)
    assert [line["threads"] for line in [*same, *other] if "threads" in line] == [f"{threads} -> {threads + 1}"]


def test_a_checkpoint_is_written_between_snapshots_once_the_last_one_is_old(
    folder: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(loop.time, "monotonic", lambda: clock[0])
    written: list[str] = []

    def later(images_seen: int, values: Mapping[str, float], sample_key: str) -> None:
        clock[0] += loop.CHECKPOINT_EVERY_S / 4.5  # the fifth step is behind the limit
        keys = [info.key for info in folder.list(f"{PREFIX}checkpoints/") if info.key.endswith(".json")]
        written.extend(key[-17:-5] for key in keys if key[-17:-5] not in written)

    loop.train(lambda: make(snapshot_kimg=0.064), folder, PREFIX, IDENTITY, later)
    assert [int(seen) for seen in written] == [24, 44, 64]


def test_a_killed_training_ends_in_the_same_weights(folder: ObjectStore) -> None:
    whole = loop.train(make, folder, "models/generator/whole/1/", IDENTITY, ignore).trainer
    checkpoints = Checkpoints(folder, PREFIX, IDENTITY)
    lost = make()
    for _ in range(7):
        lost.train_step()
    tensors, scalars = lost.state()
    checkpoints.save(lost.images_seen, tensors, {**scalars, "course": Course(lost.settings).state()[1]})
    resumed = loop.train(make, folder, PREFIX, IDENTITY, ignore).trainer
    assert digest(resumed) == digest(whole)


def test_the_last_two_checkpoints_are_kept_and_a_broken_one_is_passed_over(folder: ObjectStore) -> None:
    checkpoints = Checkpoints(folder, PREFIX, IDENTITY)
    for number in (1, 2, 3):
        checkpoints.save(number, {"x": torch.full((2,), float(number))}, {"step": number})
    keys = [info.key for info in folder.list(f"{PREFIX}checkpoints/")]
    assert [key[-17:] for key in keys if key.endswith(".json")] == ["000000000002.json", "000000000003.json"]
    assert len(keys) == 4
    folder.put(next(key for key in keys if "000000000003-" in key), b"cut off")
    latest = checkpoints.latest()
    assert latest is not None
    assert latest[1] == {"step": 2}
    assert torch.equal(latest[0]["x"], torch.full((2,), 2.0))


def test_checkpoints_that_another_process_removes_meanwhile_stop_nobody(
    folder: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = Checkpoints(folder, PREFIX, IDENTITY)
    for number in (1, 2):
        checkpoints.save(number, {"x": torch.zeros(1)}, {})
    listed = list(folder.list(f"{PREFIX}checkpoints/"))
    folder.delete(f"{PREFIX}checkpoints/000000000001.json")
    monkeypatch.setattr(folder, "list", lambda prefix: iter(listed))
    checkpoints.keep_last()
    assert folder.exists(f"{PREFIX}checkpoints/000000000002.json")


def identity_of(**given: Any) -> dict[str, Any]:
    return loop.identity(small_settings(**given), 5, "a" * 64, "", "b" * 64)


def test_checkpoints_of_another_training_stop_it_and_are_not_removed(folder: ObjectStore) -> None:
    before = Checkpoints(folder, PREFIX, identity_of(batch=8))
    for number in (90_000, 100_000):
        before.save(number, {"x": torch.full((2,), float(number))}, {})
    now = Checkpoints(folder, PREFIX, identity_of(batch=4))
    with pytest.raises(FailedPrecondition, match=r"another training: settings\.batch was 8 and is 4, .*delete them"):
        now.latest()
    now.save(10_000, {"x": torch.zeros(2)}, {"step": 1})
    assert (now.latest() or ({}, {}))[1] == {"step": 1}
    now.save(11_000, {"x": torch.ones(2)}, {"step": 2})
    now.save(12_000, {"x": torch.ones(2)}, {"step": 3})
    keys = [info.key for info in folder.list(f"{PREFIX}checkpoints/")]
    left = [int(key[-17:-5]) for key in keys if key.endswith(".json")]
    assert (left, len(keys)) == ([11_000, 12_000, 90_000, 100_000], 8)


def test_other_images_are_named_and_settings_at_their_defaults_do_not_count(folder: ObjectStore) -> None:
    identity = identity_of()
    assert "tf32" not in identity["settings"]  # so a later version may have a setting more
    Checkpoints(folder, PREFIX, identity).save(4, {"x": torch.zeros(1)}, {})
    with pytest.raises(FailedPrecondition, match="images was aaaaaaaaaaaaaaaa and is cccccccccccccccc;"):
        Checkpoints(folder, PREFIX, {**identity, "images": "c" * 64}).latest()
    key = next(info.key for info in folder.list(PREFIX) if info.key.endswith(".json"))
    card = json.loads(folder.get(key))
    del card["identity"]
    folder.put(key, json.dumps(card).encode())
    with pytest.raises(FailedPrecondition, match="an earlier version of this software wrote them"):
        Checkpoints(folder, PREFIX, identity).latest()


def test_the_average_of_weights_has_the_half_life_of_the_settings() -> None:
    one = make(ema_kimg=0.01)
    one.ema_ramp_up = False
    parameter = one.generator.synthesis.blocks["b8"].conv1.conv.weight
    average = one.average.synthesis.blocks["b8"].conv1.conv.weight
    expected = parameter.detach().clone()
    beta = 0.5 ** (4 / 10)
    for _ in range(3):
        one.train_step()
        expected = beta * expected + (1 - beta) * parameter.detach()
    torch.testing.assert_close(average, expected)
    assert torch.equal(one.average.mapping.w_average, one.generator.mapping.w_average)


def test_the_average_follows_closely_at_the_start() -> None:
    one = make(ema_kimg=100.0)
    one.train_step()  # 4 images: a half-life of 0.2 images
    for average, current in zip(one.average.parameters(), one.generator.parameters(), strict=True):
        torch.testing.assert_close(average, current.detach(), atol=1e-4, rtol=1e-3)


def test_frozen_resolutions_of_the_discriminator_do_not_move() -> None:
    one = make(freeze_d=1)
    before = {name: value.clone() for name, value in one.discriminator.state_dict().items()}
    one.train_step()
    moved = {name for name, value in one.discriminator.state_dict().items() if not torch.equal(value, before[name])}
    assert moved
    assert not any(name.startswith(("from_image", "blocks.b16")) for name in moved)


def test_training_learns_to_tell_real_from_fake() -> None:
    one = make(augment_preset="blit", learning_rate=0.003)
    losses = [one.train_step()["loss_d"] for _ in range(40)]
    assert sum(losses[-5:]) < sum(losses[:5])


def diverging(one: Trainer, at_step: int) -> None:
    step = one.discriminator_step

    def broken(real: torch.Tensor, rng: torch.Generator, classes: torch.Tensor | None = None) -> torch.Tensor:
        value = step(real, rng, classes)
        return value * float("nan") if one.step == at_step else value

    one.discriminator_step = broken  # type: ignore[method-assign]


def test_a_loss_that_is_not_finite_rolls_back_once(folder: ObjectStore) -> None:
    trainers: list[Trainer] = []

    def make_once_broken() -> Trainer:
        trainers.append(make())
        if len(trainers) == 1:
            diverging(trainers[0], at_step=10)
        return trainers[-1]

    seen: list[int] = []
    finished = loop.train(make_once_broken, folder, PREFIX, IDENTITY, lambda n, v, s: seen.append(n)).trainer
    assert seen == [*range(4, 41, 4), *range(36, 65, 4)]  # back to the checkpoint at 32 images
    assert finished.attempt == 1


def test_a_loss_that_is_not_finite_between_two_looks_rolls_back(
    folder: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Trainer, "tick_steps", trainer.GPU_TICK)
    trainers: list[Trainer] = []

    def make_once_broken() -> Trainer:
        trainers.append(make(kimg=0.192, snapshot_kimg=0.128))
        if len(trainers) == 1:
            diverging(trainers[0], at_step=34)  # the third of the 16 behind the checkpoint
        return trainers[-1]

    seen: list[int] = []
    finished = loop.train(make_once_broken, folder, PREFIX, IDENTITY, lambda n, v, s: seen.append(n)).trainer
    assert seen == [64, 128, 192]
    assert [one.step for one in trainers] == [
        48,
        48,
    ]  # the host ran to the end of the 16, and then again from the checkpoint
    assert (finished.attempt, newest_is_finite(folder)) == (1, True)


def test_a_training_that_is_looked_at_rarely_is_the_same_training(
    folder: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    often = loop.train(make, folder, "models/generator/often/1/", IDENTITY, ignore).trainer
    monkeypatch.setattr(Trainer, "tick_steps", trainer.GPU_TICK)
    monkeypatch.setattr(trainer, "Epochs", lambda *a, **k: Prefetched(Epochs(*a, **k)))  # as on a GPU
    assert digest(loop.train(make, folder, PREFIX, IDENTITY, ignore).trainer) == digest(often)


def test_a_loss_that_is_not_finite_twice_stops_with_the_reason(folder: ObjectStore) -> None:
    def make_broken() -> Trainer:
        one = make()
        diverging(one, at_step=3)
        return one

    with pytest.raises(FailedPrecondition, match=r"diverged twice, at 16 images .*loss_d nan"):
        loop.train(make_broken, folder, PREFIX, IDENTITY, ignore)


def poisoned(one: Trainer, after_images: int) -> Trainer:
    """A weight of D is no number any more behind the step after which so many images were seen; its losses are fine."""
    step = one.train_step

    def broken() -> dict[str, torch.Tensor]:
        values = step()
        if one.images_seen == after_images:
            with torch.no_grad():
                next(one.discriminator.parameters()).view(-1)[0] = float("nan")
        return values

    one.train_step = broken  # type: ignore[method-assign]
    return one


def newest_is_finite(store: ObjectStore) -> bool:
    tensors, _ = Checkpoints(store, PREFIX, IDENTITY).latest() or ({}, {})
    return bool(tensors) and all(bool(value.isfinite().all()) for value in tensors.values())


@pytest.mark.parametrize("at_images", [64, 96])  # at a snapshot in the middle, and at the last one
def test_weights_that_are_not_finite_at_a_checkpoint_roll_back_to_the_good_one(
    folder: ObjectStore, at_images: int
) -> None:
    trainers: list[Trainer] = []

    def make_once_poisoned() -> Trainer:
        one = make(kimg=0.096)
        trainers.append(one if trainers else poisoned(one, at_images))
        return trainers[-1]

    seen: list[int] = []
    finished = loop.train(make_once_poisoned, folder, PREFIX, IDENTITY, lambda n, v, s: seen.append(n)).trainer
    assert seen == [*range(4, at_images, 4), *range(at_images - 28, 97, 4)]
    assert (finished.attempt, finished.is_finite(), newest_is_finite(folder)) == (1, True, True)


def test_weights_that_are_not_finite_twice_stop_with_the_reason(folder: ObjectStore) -> None:
    with pytest.raises(FailedPrecondition, match=r"diverged twice, at 64 images \(weights.* not finite\)"):
        loop.train(lambda: poisoned(make(), 64), folder, PREFIX, IDENTITY, ignore)
    assert newest_is_finite(folder)


def test_a_stopped_training_leaves_no_checkpoint_of_weights_that_are_not_finite(folder: ObjectStore) -> None:
    def stop(images_seen: int, values: Mapping[str, float], sample_key: str) -> None:
        if images_seen == 44:
            raise Stopped

    with pytest.raises(Stopped):
        loop.train(lambda: poisoned(make(), 44), folder, PREFIX, IDENTITY, stop)
    assert newest_is_finite(folder)
    assert loop.train(make, folder, PREFIX, IDENTITY, ignore).trainer.images_seen == 64


def test_pictures_that_are_not_finite_roll_back_once_then_stop_with_the_reason(folder: ObjectStore) -> None:
    def overflowing(images_to_break: int) -> Trainer:
        one = make()
        step = one.train_step

        def broken() -> dict[str, torch.Tensor]:
            values = step()
            if one.images_seen == images_to_break:  # finite, but what is computed of it is not
                for parameter in one.average.synthesis.parameters():
                    parameter.fill_(3e38)
            return values

        one.train_step = broken  # type: ignore[method-assign]
        return one

    attempts = iter([64, 0])
    assert loop.train(lambda: overflowing(next(attempts)), folder, PREFIX, IDENTITY, ignore).trainer.attempt == 1
    with pytest.raises(FailedPrecondition, match=r"diverged twice, at 32 images \(a picture is not finite"):
        loop.train(lambda: overflowing(32), folder, "models/generator/other/1/", IDENTITY, ignore)
    assert Checkpoints(folder, "models/generator/other/1/", IDENTITY).latest() is None


@pytest.mark.parametrize("error", [Exhausted("the disk is full"), Refused("the token has expired")])
def test_a_store_that_takes_nothing_does_not_stop_a_training_that_can_wait(
    folder: ObjectStore, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    save = Checkpoints.save

    def full_at_first(self: Checkpoints, images_seen: int, *state: Any) -> None:
        if images_seen == 32:
            raise error
        save(self, images_seen, *state)

    monkeypatch.setattr(Checkpoints, "save", full_at_first)
    finished = loop.train(make, folder, PREFIX, IDENTITY, ignore).trainer
    assert finished.images_seen == 64


def test_regularisation_is_lazy(monkeypatch: pytest.MonkeyPatch) -> None:
    one = make()
    values = [one.train_step() for _ in range(17)]
    assert [n for n, v in enumerate(values) if "r1" in v] == [0, trainer.R1_INTERVAL]
    assert [n for n, v in enumerate(values) if "path_length" in v] == [0, 4, 8, 12, 16]
    off = make(r1_gamma=0.0, path_length_weight=0.0)
    assert off.train_step().keys() == {"loss_g", "loss_d"}


def test_a_transfer_copies_what_fits_and_names_what_does_not(folder: ObjectStore) -> None:
    card = write_generator(folder, channel_max=8)
    source = parse(folder.get(card.prefix + "weights.safetensors"), card.weights_sha256, "w")
    same, wider = make(), make(channel_max=16)
    left = transfer.start_from(same, folder, "tiny")
    assert all(torch.equal(value, source[name]) for name, value in same.generator.state_dict().items())
    assert all(torch.equal(value, source[name]) for name, value in same.average.state_dict().items())
    assert left == [f"d/{name}" for name in same.discriminator.state_dict()]  # no checkpoint is left of it
    left = transfer.start_from(wider, folder, "tiny/1")
    assert "g/mapping.layers.0.weight" not in left
    assert "g/synthesis.blocks.b4.conv1.conv.weight" in left


def test_a_transfer_takes_the_discriminator_of_the_last_checkpoint(folder: ObjectStore) -> None:
    card = write_generator(folder)
    old = make()
    old.train_step()
    Checkpoints(folder, card.prefix, IDENTITY).save(4, *old.state())
    new = make()
    assert transfer.start_from(new, folder, "tiny") == []
    for name, value in new.discriminator.state_dict().items():
        assert torch.equal(value, old.discriminator.state_dict()[name])
