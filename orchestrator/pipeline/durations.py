"""How long the steps of a line take on the machine that the constants were measured on, from settings and counts.

Two cores of an AMD EPYC or an Intel Xeon with AVX-512 (docs/benchmarks.md). How another machine compares is `pace`'s
business; only the proportions matter here.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from defectory.job_settings.classifier_recipes import BASE_PX, cooked
from defectory.job_settings.generator_training import SMALL_KIMG, STARTER, usual_snapshot_kimg
from orchestrator.pipeline.outputs import EXPLAIN, FILTER, GENERATORS, INGEST, JUDGE, REPORT, Counts, evaluated, trained
from orchestrator.pipeline.settings import ClassifierSettings, GeneratorSettings, PipelineSettings
from orchestrator.pipeline.synthetic_labels import learnt_of

# A generator's image costs by its values (what is memory's) and its multiply-adds (what is the processor's).
TRAIN_VALUE_S, TRAIN_MAC_S = 1.5e-7, 2.8e-11
MAKE_VALUE_S, MAKE_MAC_S = 5.6e-9, 2.8e-12
WIDTHS: Mapping[str, int] = {STARTER: 1024, "": 4096}  # channel base by where a training starts
CHANNEL_MAX = 512
TORCH_S, TENSORFLOW_S = 5.0, 8.0  # to start a worker
EVALUATE_S = 0.3  # curves are drawn, beside what is seen; no framework starts
MADE = 3.0  # synthetic images for each that is accepted, of generators that were trained for minutes
SNAPSHOT_IMAGE_S = 0.012  # an image that is made and measured
EMBED_S = 0.008  # an image through MobileNetV2 of width 1 at 224 px
TOP_SHARE = 0.5  # of the base's work that is behind its frozen stem
LEARN = 3  # learning from an image, in multiples of looking at it
HEAD_STEP_S, HEAD_EPOCH_S = 0.0034, 0.03
PICTURE_S = 0.012  # to read, look at and store
JUDGED_S = 0.01  # an image at the filter, beside what its judges see in it
EXPLAIN_S = 0.15  # an image of one arm
REPORT_S = 3.0


@dataclass(frozen=True)
class Duration:
    """What a step takes on the reference machine.

    Attributes:
        values_s: of its seconds those that values cost. macs_s: those that multiply-adds cost.
    """

    values_s: float
    macs_s: float

    @property
    def seconds(self) -> float:
        """In all."""
        return self.values_s + self.macs_s

    def at(self, values: float, macs: float) -> float:
        """Seconds on a machine that is so many times as fast with values, and with multiply-adds."""
        return self.values_s / values + self.macs_s / macs


def expected_counts(labels: Mapping[str, int], settings: PipelineSettings) -> Counts:
    """split -> label -> images, before anything is ingested."""
    shares = {"validation": settings.data.validation_share, "test": settings.data.test_share}
    held_out = {
        split: {label: round(count * share) for label, count in labels.items()} for split, share in shares.items()
    }
    left = {label: count - sum(split[label] for split in held_out.values()) for label, count in labels.items()}
    return {"train": left, **held_out}


def durations(settings: PipelineSettings, counts: Counts) -> dict[str, Duration]:
    """step -> what it takes. Steps of no account are left out, and generators whose configuration has days in mind.

    How many synthetic images the filter accepts nobody knows before: every third one is assumed, and no more rounds
    than there may be.

    Args:
        counts: split -> label -> images.
    """
    train = counts.get("train", {})
    images = sum(sum(of_split.values()) for of_split in counts.values())
    labels = tuple(learnt_of(settings, tuple(train)))
    quotas = {label: settings.synthesis.quotas.get(label, settings.synthesis.quota) for label in labels}
    synthetic = sum(quotas.values()) if any(arm.takes_synthetic for arm in settings.arms) else 0
    steps = math.ceil((sum(train.values()) + synthetic) / settings.classifier.batch)
    by_step = {INGEST.step: _evenly(images * PICTURE_S), REPORT.step: _evenly(REPORT_S)}
    for arm in settings.arms:
        of_arm = arm.classifier_settings(settings.classifier)
        more = synthetic if arm.takes_synthetic else 0
        by_step[trained(arm.name).step] = _evenly(_training_s(of_arm, images + more, of_arm.cycles, steps))
        tested = sum(counts.get("test", {}).values())
        by_step[evaluated(arm.name).step] = _evenly(tested * _seen_s(of_arm, of_arm.cycles) + EVALUATE_S)
    by_step[EXPLAIN.step] = _evenly(TENSORFLOW_S + settings.explain.limit * len(settings.arms) * EXPLAIN_S)
    if synthetic:
        cycles = settings.filter.judge_cycles
        by_step[JUDGE.step] = _evenly(_training_s(settings.classifier, images, cycles, steps))
        if (trainings := list(kimg_of(settings.generator, labels, train).values())) and None not in trainings:
            by_step[GENERATORS.step] = _generators(settings.generator, [kimg or 0.0 for kimg in trainings])
        surplus = min(MADE, settings.synthesis.surplus * settings.synthesis.max_rounds)
        synthesised = sum(surplus * quota for quota in quotas.values())
        each = (
            _seen_s(settings.classifier, cycles)
            + JUDGED_S
            + _image(settings.generator, MAKE_VALUE_S, MAKE_MAC_S).seconds
        )
        by_step[FILTER.step] = _evenly(2 * TENSORFLOW_S + synthesised * each)
    return by_step


def of_looking(settings: ClassifierSettings, images: int) -> Duration:
    """What it takes to look at so many images once, and to learn nothing."""
    return _evenly(images * _embed_s(settings) + EVALUATE_S)


def kimg_of(generator: GeneratorSettings, labels: tuple[str, ...], train: Mapping[str, int]) -> dict[str, float | None]:
    """label -> thousands of images that its generator is shown; None where only the service knows."""
    length = generator.kimg or (SMALL_KIMG if generator.config == "small" else None)
    start = generator.start_label
    first = max(labels, key=lambda label: train.get(label, 0), default="") if start == "auto" else start
    moved = generator.transfer_kimg or length
    if generator.view == "defect":  # one of the surface, and one of all defects that starts from it
        return {"surface": length, "defects": moved}
    return {
        label: moved if first in labels and label != first and label not in generator.initial_models else length
        for label in labels
    }


def _generators(generator: GeneratorSettings, trainings: list[float]) -> Duration:
    shown = sum(trainings) * 1000
    image = _image(generator, TRAIN_VALUE_S, TRAIN_MAC_S)
    snapshots = sum(kimg / (generator.snapshot_kimg or usual_snapshot_kimg(kimg)) for kimg in trainings if kimg)
    beside = len(trainings) * TORCH_S + snapshots * generator.measured_images * SNAPSHOT_IMAGE_S
    return Duration(image.values_s * shown + beside, image.macs_s * shown)


def values_of(generator: GeneratorSettings) -> int:
    """Values that an image has in the layers of one network, one layer a resolution."""
    return sum(side * side * channels for side, channels in _layers(generator))


def _image(generator: GeneratorSettings, value_s: float, mac_s: float) -> Duration:
    """An image of the network."""
    macs = sum(2 * 9 * side * side * channels * channels for side, channels in _layers(generator))
    return Duration(values_of(generator) * value_s, macs * mac_s)


def _layers(generator: GeneratorSettings) -> Iterator[tuple[int, int]]:
    """(side, channels) of every resolution."""
    base = generator.channel_base or WIDTHS.get(generator.start, WIDTHS[""])
    side = 4
    while side <= generator.resolution_px:
        yield side, min(base // side, generator.channel_max or CHANNEL_MAX)
        side *= 2


def _training_s(settings: ClassifierSettings, images: int, cycles: int, steps: int) -> float:
    """A classifier's training in seconds: what is frozen is computed once for all cycles, its views like its images."""
    effective = cooked(settings, BASE_PX)
    steps = settings.steps_per_epoch or steps
    embed_s, base = _embed_s(settings), effective["trainable_base"]
    warm_up = min(effective["warmup_epochs"], effective["epochs"])
    changed = bool(effective["augment"] or effective["mirror_x"] or effective["mirror_y"])
    views = settings.views if base == "none" and changed and settings.initial_weights != "random" else 0
    of_head = effective["epochs"] if base == "none" and (views or not changed) else warm_up
    rest = effective["epochs"] - of_head
    share = TOP_SHARE if base == "top" and not changed else 1.0
    learn = 1 if base == "none" else LEARN
    epoch_s = share * embed_s * (steps * settings.batch * learn + images)
    head_s = of_head * (steps * HEAD_STEP_S + HEAD_EPOCH_S)
    seconds: float = TENSORFLOW_S + (1 + views) * images * embed_s + cycles * (head_s + rest * epoch_s)
    return seconds


def _embed_s(settings: ClassifierSettings) -> float:
    effective = cooked(settings, BASE_PX)
    return float(EMBED_S * (effective["input_px"] / BASE_PX) ** 2 * effective["width_multiplier"])


def _seen_s(settings: ClassifierSettings, cycles: int) -> float:
    """An image through every cycle; cycles on one frozen base look at it once."""
    frozen = cooked(settings, BASE_PX)["trainable_base"] == "none"
    return _embed_s(settings) * (1 if frozen else cycles)


def _evenly(seconds: float) -> Duration:
    return Duration(seconds / 2, seconds / 2)
