"""The course of a training: which snapshot is the best, when it ends early, what leaks lead to; resumes to the bit."""

import json
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from defectory.errors import Exhausted, Unavailable
from defectory.storage import ObjectStore
from services.generator.metrics.classes import Classes
from services.generator.metrics.likeness import Memory
from services.generator.starter.drawing import draw
from services.generator.stylegan2.networks import Architecture
from services.generator.tensors import dump
from services.generator.training import loop
from services.generator.training.ada import AugmentControl
from services.generator.training.leaks import Leak
from services.generator.training.snapshot_judge import Course, Judge, Judgement, fault_of
from services.generator.training.trainer import Trainer
from tests.unit.generator.generator_samples import small_settings

PREFIX = "models/generator/m/1/"
FINE = {"copies": 0.0, "diversity": 1.0, "kid_low": 0.0, "kid_high": 1.0, "coverage": 0.5}


class Stopped(BaseException):
    """The service stops."""


def control(p: float = 0.4) -> AugmentControl:
    return AugmentControl("fixed", p, 0.6, 1e5, "bgc")


def judged(kid: float, fault: str = "") -> Judgement:
    return Judgement({**FINE, "kid": kid}, fault)


def weights(number: int) -> dict[str, Tensor]:
    return {"w": torch.full((2,), float(number))}


def course_of(judgements: Sequence[Judgement], **given: Any) -> Course:
    course = Course(small_settings(snapshot_kimg=0.01, kimg=1.0, **given))
    for number, judgement in enumerate(judgements, start=1):
        course.record(10 * number, judgement, control(), weights(number))
    return course


def test_the_best_snapshot_is_the_one_with_the_lowest_kid_and_without_fault() -> None:
    course = course_of([judged(3.0), judged(1.0), judged(0.5, "collapsed"), judged(2.0)])
    shipped = course.shipped(weights(4), "")
    assert (shipped.kimg, float(shipped.weights["w"][0])) == (0.02, 2.0)
    assert "best of 4 snapshots by their distance to held-out images (KID 1; the last one has 2)" in shipped.reason


def test_the_last_snapshot_is_shipped_where_that_is_asked_for() -> None:
    shipped = course_of([judged(1.0), judged(2.0)], ship="last").shipped(weights(2), "")
    assert (shipped.kimg, float(shipped.weights["w"][0])) == (0.02, 2.0)
    assert "as asked for" in shipped.reason


@pytest.mark.parametrize(
    ("judgements", "why_not", "reason"),
    [
        ([Judgement(), Judgement()], "7 held-out images of the label, at least 10 are needed", "7 held-out images"),
        ([judged(1.0, "collapsed"), judged(1.0, "60% copies")], "", "60% copies"),
    ],
)
def test_where_none_can_be_chosen_the_last_is_shipped_and_says_so(
    judgements: Sequence[Judgement], why_not: str, reason: str
) -> None:
    shipped = course_of(judgements).shipped(weights(2), why_not)
    assert shipped.kimg == 0.02
    assert reason in shipped.reason


def test_patience_counts_snapshots_without_a_better_one() -> None:
    kids = [3.0, 1.0, 2.0, 1.5, 0.9]
    over = [course_of([judged(kid) for kid in kids[:n]], patience=2).is_over(10 * n) for n in range(1, 6)]
    assert over == [False, False, False, True, False]
    assert not course_of([judged(kid) for kid in kids[:4]]).is_over(40)  # off by default
    stopped = course_of([judged(kid) for kid in kids[:4]], patience=2).shipped(weights(4), "")
    assert "stopped early: no better one in 2 snapshots" in stopped.reason


def test_patience_ends_a_training_whose_every_snapshot_has_a_fault() -> None:
    course = [Judgement(), *[judged(1.0, "collapsed")] * 3]  # the first one was not measured
    over = [course_of(course[:n], patience=2).is_over(10 * n) for n in range(1, 5)]
    assert over == [False, False, False, True]
    reason = course_of(course, patience=2).shipped(weights(4), "").reason
    assert "none could be chosen: collapsed; stopped early: no better one in 2 snapshots" in reason


def test_without_kid_the_last_snapshot_without_a_fault_is_shipped() -> None:
    alone = {"copies": 0.0, "diversity": 1.0, "nearest_ratio": 1.0}
    course = course_of([Judgement(alone), Judgement(alone), Judgement(alone, "60% copies")])
    shipped = course.shipped(weights(3), "7 held-out images")
    assert (shipped.kimg, float(shipped.weights["w"][0])) == (0.02, 2.0)
    assert "without a fault, for which is best was not measured (KID): 7 held-out images" in shipped.reason


UNKNOWN = Memory(1.0, 0.0)  # of held-out images


def test_copies_and_a_collapse_are_faults() -> None:
    def fault(real: Memory = UNKNOWN, **scores: float) -> str:
        return fault_of({"copies": 0.0, "nearest_ratio": 1.0, "diversity": 0.9, **scores}, real)

    assert fault(copies=0.02) == ""
    assert fault(Memory(1.0, 0.28), copies=0.3) == ""  # as many among held-out images: the part is like that
    assert "30% of its images are copies" in fault(copies=0.3)
    assert "0.30 times as far from training images" in fault(nearest_ratio=0.3)
    assert fault(Memory(0.5, 0.0), nearest_ratio=0.3) == ""
    assert fault(Memory(3.0, 0.0), nearest_ratio=0.9) == ""  # as far from training images as those from each other
    assert "collapsed" in fault(diversity=0.1)
    of_classes = {"diversity": 0.1, "diversity/bent": 0.9, "diversity/cut": 0.1}
    assert "collapsed: its images of 'cut' differ 0.10 times" in fault(**of_classes)


def test_a_leak_falls_back_once_and_again_only_if_it_does_not_shrink() -> None:
    course, augmentation = Course(small_settings()), control(0.4)
    for number, share in enumerate([0.3, 0.2, 0.25, 0.0], start=1):
        leaks = [Leak("orientation", "turned 90°", share, 0.0)] if share else []
        course.record(10 * number, Judgement(leaks=leaks), augmentation, {})
    assert [(x.augment_preset, x.augment_p) for x in course.history] == [
        ("bgc", 0.4), ("bg", 0.2), ("bg", 0.2), ("blit", 0.1),
    ]  # fmt: skip
    assert len(course.leaks) == 2
    assert "bgc makes way for bg, p is at most 0.2 from here on" in course.leaks[0]
    assert course.leaks[0].startswith("at 0.01 kimg: orientation: 30% of the synthetic images look transformed")
    assert course.values()["leaks"] == 2
    augmentation.observe(torch.tensor(4.0), 4)
    assert augmentation.p == 0.1


def test_p_cannot_climb_above_the_limit_after_a_leak() -> None:
    one = AugmentControl("ada", 0.0, 0.6, 10.0, "bgc")
    for _ in range(40):
        one.observe(torch.tensor(4.0), 4)
    assert one.p == 0.8
    one.fall_back("bg")
    for _ in range(40):
        one.observe(torch.tensor(4.0), 4)
    assert (one.p, one.preset) == (0.4, "bg")
    again = AugmentControl("ada", 0.0, 0.6, 10.0, "bgc")
    again.restore(json.loads(json.dumps(one.state())))
    assert (again.p, again.limit, again.preset) == (0.4, 0.4, "bg")


def pictures(count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.integers(0, 200, (count, 1, 1, 3)) + rng.integers(0, 50, (count, 16, 16, 3))).astype(np.uint8)


TRAIN, HELD_OUT = pictures(12, 0), pictures(12, 1)
COLOUR = SimpleNamespace(architecture=Architecture(resolution_px=16, channels=3))  # a generator of such pictures


def make(**given: Any) -> Trainer:
    values = {"augment_mode": "fixed", "augment_p": 0.3, "measured_images": 70, "snapshot_kimg": 0.016, **given}
    return Trainer(torch.from_numpy(TRAIN).permute(0, 3, 1, 2).contiguous(), small_settings(**values), seed=5)


def test_a_judge_counts_copies_upside_down_where_the_training_shows_such_images(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "services.generator.training.snapshot_judge.render", lambda generator, seeds, **how: TRAIN[: len(seeds), ::-1]
    )
    for mirror_y in (False, True):
        judge = Judge(TRAIN, HELD_OUT, small_settings(measured_images=12, leak_guard=False, mirror_y=mirror_y))
        judgement: Any = judge.look(COLOUR, control(), lambda: None)  # type: ignore[arg-type]  # only `render` asks it for more
        assert ("copies" in judgement.fault) == mirror_y


@pytest.mark.parametrize(
    ("kind", "fault"), [("copies", "100% of its images are copies"), ("one", "collapsed"), ("new", "")]
)
def test_too_few_held_out_images_do_not_keep_copies_and_a_collapse_from_being_seen(
    monkeypatch: pytest.MonkeyPatch, kind: str, fault: str
) -> None:
    drawn = np.stack([draw(seed) for seed in range(90)])
    shown = {"copies": drawn[:30], "one": np.repeat(drawn[60:61], 30, axis=0), "new": drawn[60:]}[kind]
    monkeypatch.setattr(
        "services.generator.training.snapshot_judge.render", lambda generator, seeds, **how: shown[: len(seeds)]
    )
    judge = Judge(drawn[:35], drawn[35:43], small_settings(measured_images=30, leak_guard=False))
    judgement: Any = judge.look(COLOUR, control(), lambda: None)  # type: ignore[arg-type]  # only `render` asks it for more
    assert "8 validation images, at least 10 are needed" in judge.why_not
    assert judgement.scores.keys() == {"copies", "diversity", "nearest_ratio"}
    assert fault in judgement.fault
    assert bool(fault) == bool(judgement.fault)


@pytest.mark.parametrize(("shown", "fault"), [(3, "4% of its images have a mask that shows a defect"), (60, "")])
def test_a_generator_that_makes_no_defects_is_not_shipped(
    monkeypatch: pytest.MonkeyPatch, shown: int, fault: str
) -> None:
    masks = np.zeros((160, *draw(0).shape[:2], 1), np.uint8)
    masks[:60, 3:5, 3:5] = 255
    masks[80 : 80 + shown, 4, 4] = 128  # what is made
    images = np.concatenate([np.stack([draw(seed) for seed in range(160)]), masks], axis=-1)
    monkeypatch.setattr(
        "services.generator.training.snapshot_judge.render", lambda generator, seeds, **given: images[80:][list(seeds)]
    )
    settings = small_settings(channels=4, with_mask=True, measured_images=80, leak_guard=False)
    generator: Any = SimpleNamespace(architecture=settings.architecture)  # only `render` asks it for more
    judgement = Judge(images[:60], images[60:80], settings).look(generator, control(), lambda: None)
    assert judgement.scores["masked"] == shown / 80
    assert judgement.fault.startswith(fault)
    assert bool(judgement.fault) == bool(fault)


@pytest.mark.parametrize("collapsed", [False, True])
def test_classes_come_as_often_as_among_held_out_images_and_none_may_collapse(
    monkeypatch: pytest.MonkeyPatch, collapsed: bool
) -> None:
    of_seed = np.stack([draw(seed) for seed in range(200)])

    def pictures_of(seeds: Sequence[int], classes: Sequence[int]) -> np.ndarray:
        """Of class 0 as they are drawn, of class 1 in other colours."""
        return np.stack([255 - of_seed[s] if of else of_seed[s] for s, of in zip(seeds, classes, strict=True)])

    def render(generator: Any, seeds: Sequence[int], *, label: Sequence[int], **given: Any) -> np.ndarray:
        return pictures_of([120 + (0 if collapsed and of else s) for s, of in zip(seeds, label, strict=True)], label)

    monkeypatch.setattr("services.generator.training.snapshot_judge.render", render)
    classes = [0] * 54 + [1] * 6
    train, held_out = pictures_of(range(60), classes), pictures_of(range(60, 120), classes)
    settings = small_settings(classes=2, measured_images=80, leak_guard=False)
    judge = Judge(train, held_out, settings, Classes(("good", "bent"), classes, classes))
    judgement = judge.look(make().average, control(), lambda: None)
    assert judgement.scores["kid_low"] < 0.05
    assert judgement.scores["coverage"] > 0.7
    assert judgement.scores["diversity/good"] > 0.7
    assert ("collapsed: its images of 'bent'" in judgement.fault) == collapsed


class LeakyJudge(Judge):
    """Finds a leak at the first snapshot, whatever it sees."""

    def look(self, generator: Any, augmentation: AugmentControl, pulse: Callable[[], None]) -> Judgement:
        judgement = super().look(generator, augmentation, pulse)
        leaks = [Leak("colour", "darker", 0.3, 0.0)] if augmentation.preset == "bgc" else []
        return Judgement(judgement.scores, judgement.fault, leaks)


def ignore(images_seen: int, values: Mapping[str, float], sample_key: str) -> None:
    """A report that nobody reads."""


def outcome(trained: loop.Trained) -> tuple[Any, ...]:
    """Everything that must be the same however often a training was stopped."""
    tensors, scalars = trained.trainer.state()
    best, course = trained.course.state()
    shipped = trained.course.shipped(trained.trainer.average.state_dict(), "")
    return (
        dump(tensors)[1],
        dump(best)[1],
        json.dumps([scalars, course], sort_keys=True),
        dump(shipped.weights)[1],
        shipped.reason,
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, ...]:
    from defectory.storage import open_store

    store = open_store(f"file://{tmp_path_factory.mktemp('whole')}/store")
    return outcome(loop.train(make, store, PREFIX, {}, ignore, LeakyJudge(TRAIN, HELD_OUT, make().settings)))


@pytest.mark.parametrize("stop_at", [3, 5, 8])
def test_a_training_stopped_anywhere_even_while_it_is_judged_ends_the_same(
    folder: ObjectStore, whole: tuple[Any, ...], stop_at: int
) -> None:
    calls = 0

    def stop(images_seen: int, values: Mapping[str, float], sample_key: str) -> None:
        nonlocal calls
        calls += 1
        if calls == stop_at:
            raise Stopped

    judge = LeakyJudge(TRAIN, HELD_OUT, make().settings)
    with pytest.raises(Stopped):
        loop.train(make, folder, PREFIX, {}, stop, judge)
    assert outcome(loop.train(make, folder, PREFIX, {}, ignore, judge)) == whole


def test_what_a_person_looks_at_is_written(folder: ObjectStore) -> None:
    seen: dict[str, float] = {}
    judge = LeakyJudge(TRAIN, HELD_OUT, make().settings)
    trained = loop.train(make, folder, PREFIX, {}, lambda n, values, s: seen.update(values), judge)
    lines = [json.loads(line) for line in folder.get(f"{PREFIX}metrics.jsonl").splitlines()]
    assert [line["images_seen"] for line in lines] == [16, 32, 48, 64]
    assert all(line["kid_low"] <= line["kid"] <= line["kid_high"] for line in lines)
    assert [line["augment_preset"] for line in lines] == ["bgc", "bg", "bg", "bg"]
    assert lines[-1]["r_t"] == seen["r_t"]
    assert (seen["tick"], seen["leaks"], seen["kimg"]) == (4, 1, 0.064)
    assert seen["kid"] == lines[-1]["kid"]
    assert seen["images_s"] > 0
    assert len(list(folder.list(f"{PREFIX}events/"))) == len(list(folder.list(f"{PREFIX}samples/"))) == 4
    best = min((x for x in trained.course.history if not x.fault), key=lambda x: x.scores["kid"], default=None)
    assert trained.course.best == best


class Away:
    """A store that is full or away for a while, as its users see it: not ours to imitate further."""

    def __init__(self, store: ObjectStore, error: Exception, failures: int) -> None:
        self._store, self._error, self.left = store, error, failures

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def put(self, key: str, data: bytes, *, if_absent: bool = False) -> Any:
        if self.left:
            self.left -= 1
            raise self._error
        return self._store.put(key, data, if_absent=if_absent)


@pytest.mark.parametrize(("error", "failures"), [(Exhausted("the disk is full"), 1), (Unavailable("no answer"), 14)])
def test_a_store_that_is_full_or_away_changes_nothing_in_the_end(
    folder: ObjectStore, whole: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch, error: Exception, failures: int
) -> None:
    monkeypatch.setattr("services.generator.training.storing.FIRST_PAUSE_S", 0.0)
    away: Any = Away(folder, error, failures)  # a snapshot writes 5 objects; the last checkpoint is waited for
    judge = LeakyJudge(TRAIN, HELD_OUT, make().settings)
    assert outcome(loop.train(make, away, PREFIX, {}, ignore, judge)) == whole
    assert any(x.key.endswith("000000000064.json") for x in folder.list(f"{PREFIX}checkpoints/"))
