"""Judges snapshots without a person: what is measured of each, which is the best, when it is time to stop."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import structlog
from torch import Tensor

from defectory.datasets.splits import MIN_HELD_OUT
from services.generator.metrics.classes import Classes, drawn_as_among
from services.generator.metrics.evaluate import OF_CLASS, Reference
from services.generator.metrics.likeness import Memory
from services.generator.rendering import colours_of, defect_of, render
from services.generator.stylegan2.networks import Generator
from services.generator.training.ada import AugmentControl
from services.generator.training.leaks import MIN_REAL, Leak, LeakDetector, milder
from services.generator.training.settings import TrainingSettings

RENDERED_PART = 64  # images between two moments at which the training may be asked to stop
MAX_COPIES = 0.05  # share of copies of training images, beyond that among held-out images
MIN_NEAREST = 0.5  # of the distance of held-out images to training images: nearer ones were learned by heart
MIN_DIVERSITY = 0.5  # of that among real images: below it the generator has collapsed
MIN_MASKED = 0.5  # of the share of training images with a mask: below it what is made shows no defects
MASKED = "masked"

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Snapshot:
    """What is known of the averaged generator after so many images."""

    images_seen: int
    augment_p: float
    augment_preset: str
    r_t: float
    scores: Mapping[str, float] = field(default_factory=dict)  # empty: not measured
    fault: str = ""  # why it cannot be the best: copies, a collapse
    leaks: Sequence[str] = ()  # in words, with what was done about them

    @property
    def kimg(self) -> float:
        """Thousands of images shown to the discriminator."""
        return self.images_seen / 1000

    def line(self) -> dict[str, Any]:
        """As it stands in `metrics.jsonl` and in the model's card."""
        fields = asdict(self)
        return {"kimg": self.kimg, **{name: fields[name] for name in fields if name != "scores"}, **self.scores}


class Judge:
    """Measures snapshots on images that the generator did not learn from, and watches for leaks; keeps no state.

    Of masks it is only counted how many show a defect: their hard edges would outweigh the pictures', and the
    descriptors are made for these.

    Shapes:
        train: (N, R, R, C) uint8; held_out: (H, R, R, C) uint8, H possibly 0

    Args:
        classes: of both, where one model learns several.
        parts: of every training image, which part it shows; absent: each another one.
        held_out_parts: of every held-out image, the same.
    """

    def __init__(
        self,
        train: np.ndarray,
        held_out: np.ndarray,
        settings: TrainingSettings,
        classes: Classes | None = None,
        parts: Sequence[str] = (),
        held_out_parts: Sequence[str] = (),
    ) -> None:
        architecture = settings.architecture
        self._train = colours_of(train, architecture)
        self._masked = masked(train) if architecture.mask else 0.0
        self._held_out = colours_of(held_out, architecture)
        self._settings = settings
        self._classes = classes or Classes()
        self._parts = parts, held_out_parts
        self._watches = settings.leak_guard and settings.augment_mode != "none" and len(train) >= MIN_REAL

    @property
    def why_not(self) -> str:
        """Why snapshots are not compared with held-out images; empty when they are."""
        return why_not_judged(self._settings.measured_images, len(self._held_out))

    def look(self, generator: Generator, control: AugmentControl, pulse: Callable[[], None]) -> "Judgement":
        """Make images and judge them.

        Args:
            generator: the averaged one.
            control: of the augmentation that it was trained with.
            pulse: called now and then; may raise to stop.
        """
        count = self._settings.measured_images
        if not count:
            return Judgement()
        # As often as among what they are compared with: held-out images or, where there are too few, learned ones.
        drawn = drawn_as_among(self._classes.train if self.why_not else self._classes.held_out, range(count))
        parts = []
        for start in range(0, count, RENDERED_PART):
            pulse()
            part = slice(start, min(start + RENDERED_PART, count))
            label = drawn and drawn[part]
            parts.append(render(generator, range(count)[part], truncation_psi=1.0, noise_mode="random", label=label))
        whole = np.concatenate(parts)
        images = colours_of(whole, generator.architecture)
        leaks = self._detector.find(images, control.preset, control.p) if self._watches else []
        measure = self._reference.faults if self.why_not else self._reference.measure
        scores = measure(images, drawn).to_dict()
        if self._masked:
            scores[MASKED] = masked(whole)
        return Judgement(scores, fault_of(scores, self._held_out_memory, self._masked), leaks)

    # Described when they are first needed: a training need not wait for it, nor one that resumes at its end.

    @cached_property
    def _reference(self) -> Reference:
        mirror_y = self._settings.mirror_y
        return Reference(self._train, self._held_out, self._classes, *self._parts, mirror_y=mirror_y)

    @cached_property
    def _held_out_memory(self) -> Memory:
        return self._reference.held_out_memory

    @cached_property
    def _detector(self) -> LeakDetector:
        return LeakDetector.of(self._train, mirror_x=self._settings.mirror_x, mirror_y=self._settings.mirror_y)


@dataclass(frozen=True)
class Judgement:
    """What a look at a snapshot says."""

    scores: Mapping[str, float] = field(default_factory=dict)
    fault: str = ""
    leaks: Sequence[Leak] = ()


def why_not_judged(measured_images: int, held_out: int) -> str:
    """Why snapshots would not be compared with so many held-out images; empty when they would."""
    if not measured_images:
        return "measured_images is 0"
    if held_out < MIN_HELD_OUT:
        return f"{held_out} validation images, at least {MIN_HELD_OUT} are needed"
    return ""


def masked(images: np.ndarray) -> float:
    """Share of images (N, R, R, C), whose last channel is their mask, of which it shows a defect."""
    return float(defect_of(images).any(axis=(1, 2)).mean())


def fault_of(scores: Mapping[str, float], real: Memory, real_masked: float = 0.0) -> str:
    """Why a generator with these scores must not be shipped; empty where nothing is wrong.

    Args:
        real: how near held-out images come to training images.
        real_masked: share of training images whose mask shows a defect; 0: no masks are learned.
    """
    if scores.get(MASKED, 1.0) < MIN_MASKED * real_masked:
        return f"{scores[MASKED]:.0%} of its images have a mask that shows a defect, of real ones {real_masked:.0%}"
    if scores["copies"] > real.copies + MAX_COPIES:
        return f"{scores['copies']:.0%} of its images are copies of training images"
    if scores["nearest_ratio"] < MIN_NEAREST * min(real.nearest_ratio, 1.0):
        return (
            f"its images are {scores['nearest_ratio']:.2f} times as far from training images as those from each other"
        )
    if scores["diversity"] < MIN_DIVERSITY:
        of_class = next(
            (name for name, x in scores.items() if name.startswith(OF_CLASS) and x == scores["diversity"]), ""
        )
        which = f"its images of {of_class.removeprefix(OF_CLASS)!r}" if of_class else "its images"
        return f"collapsed: {which} differ {scores['diversity']:.2f} times as much as real ones"
    return ""


class Course:
    """How a training has gone so far: its snapshots, the best one with its weights, leaks. Part of every checkpoint.

    Args:
        settings: `snapshot_kimg`, `patience` and `ship` of the training.
    """

    def __init__(self, settings: TrainingSettings) -> None:
        self._settings = settings
        self.history: list[Snapshot] = []
        self._best = -1  # position in the history
        self._best_weights: dict[str, Tensor] = {}
        self._leaking: dict[str, float] = {}  # kind -> share of images at the last look after a leak

    @property
    def best(self) -> Snapshot | None:
        """The snapshot with the lowest KID among those without fault; where there is no KID, the latest of those."""
        return self.history[self._best] if self._best >= 0 else None

    @property
    def leaks(self) -> tuple[str, ...]:
        """Every leak that was answered, in words, with when it was."""
        return tuple(f"at {x.kimg:g} kimg: {text}" for x in self.history for text in x.leaks)

    @property
    def stopped_early(self) -> bool:
        """Whether patience is at its end: so many snapshots were measured without a better one."""
        first_measured = next((n for n, x in enumerate(self.history) if x.scores), len(self.history))
        since = self._best if self.best is not None else first_measured
        return bool(self._settings.patience) and len(self.history) - 1 - since >= self._settings.patience

    def is_over(self, images_seen: int) -> bool:
        """Whether the training is done after so many images."""
        return images_seen >= self._settings.total_images or self.stopped_early

    def is_due(self, images_seen: int) -> bool:
        """Whether a snapshot is to be taken after so many images: at every interval, and at the end."""
        last = self.history[-1].images_seen if self.history else 0
        interval = self._settings.snapshot_images
        return images_seen // interval > last // interval or images_seen >= self._settings.total_images > last

    def record(
        self, images_seen: int, judgement: Judgement, control: AugmentControl, weights: Mapping[str, Tensor]
    ) -> None:
        """Take note of a snapshot, keep its weights if it is the best so far, and answer leaks."""
        p, preset, r_t = control.p, control.preset, control.r_t
        answers = self._answer(judgement.leaks, control)
        self.history.append(Snapshot(images_seen, p, preset, r_t, dict(judgement.scores), judgement.fault, answers))
        if judgement.scores and not judgement.fault and self._is_better(judgement.scores):
            self._best = len(self.history) - 1
            self._best_weights = {name: value.detach().clone() for name, value in weights.items()}

    def values(self) -> dict[str, float]:
        """For progress: the latest KID, where the best was, how often leaks were answered."""
        figures = {
            name: value for name, value in self._latest_scores().items() if name in ("kid", "coverage", "copies")
        }
        if self.best is not None:
            figures["best_kimg"] = self.best.kimg
        return figures | ({"leaks": float(len(self.leaks))} if self.leaks else {})

    def shipped(self, last: Mapping[str, Tensor], why_not: str) -> "Shipped":
        """The weights that become the model, and why these.

        Args:
            last: the averaged generator's at the end.
            why_not: why snapshots have no KID; see `Judge`.
        """
        kimg, count = self.history[-1].kimg, len(self.history)
        ended = f"; stopped early: no better one in {self._settings.patience} snapshots" if self.stopped_early else ""
        if self._settings.ship == "last":
            return Shipped(last, kimg, f"the last snapshot, as asked for{ended}")
        if self.best is None:
            reason = next((x.fault for x in reversed(self.history) if x.fault), why_not)
            return Shipped(last, kimg, f"the last snapshot, for none could be chosen: {reason}{ended}")
        if why_not:
            return Shipped(
                self._best_weights,
                self.best.kimg,
                f"the last snapshot without a fault, for which is best was not measured (KID): {why_not}",
            )
        kid, measured = self.best.scores["kid"], sum(bool(x.scores) for x in self.history)
        if self._best == count - 1:
            return Shipped(
                last, kimg, f"the last snapshot, and the best by its distance to held-out images (KID {kid:.4g})"
            )
        return Shipped(
            self._best_weights,
            self.best.kimg,
            f"the best of {measured} snapshots by their distance to held-out images (KID {kid:.4g}; "
            f"{self._last_in_words()}){ended}",
        )

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """All that changes: tensors by name, and scalars that JSON holds exactly."""
        scalars = {"history": [asdict(x) for x in self.history], "best": self._best, "leaking": self._leaking}
        return dict(self._best_weights), scalars

    def restore(self, tensors: Mapping[str, Tensor], scalars: Mapping[str, Any]) -> None:
        """Back to a `state()`."""
        self.history = [Snapshot(**{**x, "leaks": tuple(x["leaks"])}) for x in scalars["history"]]
        self._best = int(scalars["best"])
        self._best_weights = dict(tensors)
        self._leaking = {name: float(value) for name, value in scalars["leaking"].items()}

    def _answer(self, leaks: Sequence[Leak], control: AugmentControl) -> tuple[str, ...]:
        """Fall back where something leaks; one that is already on its way out is given time."""
        before, self._leaking = self._leaking, {leak.kind: leak.share for leak in leaks}
        worse = [leak for leak in leaks if leak.share >= before.get(leak.kind, 0.0)]
        if not worse:
            return ()
        old, preset = control.preset, milder(control.preset, [leak.kind for leak in worse])
        control.fall_back(preset)
        done = f"{old} makes way for {preset or 'no augmentation'}, p is at most {control.limit:.2g} from here on"
        sentences = tuple(f"{leak.in_words()}; {done}" for leak in worse)
        for text in sentences:
            log.warning("an augmentation leaks", what=text)
        return sentences

    def _is_better(self, scores: Mapping[str, float]) -> bool:
        return self.best is None or "kid" not in scores or scores["kid"] < self.best.scores["kid"]

    def _latest_scores(self) -> Mapping[str, float]:
        return next((x.scores for x in reversed(self.history) if x.scores), {})

    def _last_in_words(self) -> str:
        last = self.history[-1]
        return f"the last one {last.fault}" if last.fault else f"the last one has {last.scores['kid']:.4g}"


@dataclass(frozen=True)
class Shipped:
    """The averaged generator that becomes the model."""

    weights: Mapping[str, Tensor]
    kimg: float
    reason: str
