"""What can be known to go wrong with a run before it starts: photographs, settings, weights, disk and memory.

Each check says what it found in a sentence that ends with what would be right. Those that stop a run would have stopped
it later, after hours perhaps.
"""

import math
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from urllib.parse import unquote, urlsplit

from defectory.datasets.layouts.source import Source
from defectory.datasets.shares import MIN_TRAINED, Shares, divides, lacking
from defectory.errors import DefectoryError, FailedPrecondition
from defectory.imaging import decode, size_of
from defectory.job_settings.classifier_recipes import BASE_PX, cooked
from defectory.job_settings.generator_training import LARGEST_PX, SMALLEST_PX, STARTER
from defectory.machine import available_memory
from defectory.models import resolve
from defectory.storage.store import ObjectStore
from defectory.weights import in_keras, in_shared
from orchestrator.pipeline.arms import NAMED_ARMS, ArmSettings
from orchestrator.pipeline.base_warnings import STARTER_EXPECTED
from orchestrator.pipeline.durations import values_of
from orchestrator.pipeline.outputs import Counts
from orchestrator.pipeline.settings import PipelineSettings
from orchestrator.pipeline.synthetic_labels import check_labels_of, check_start_label, learnt_of

SAMPLED = 24  # photographs, evenly over all files
GIB = 2**30
MODELS_BYTES = 300 << 20  # of a run: classifiers of every cycle, generators and their checkpoints, report
FRAMEWORK_BYTES = 1 << 30  # TensorFlow or torch, with a network
BYTES_A_VALUE = 130  # of a generator's training step (docs/benchmarks.md, memory of a training step)
COARSE = 4  # times as small as the photographs: from there on what is lost is worth a word
SEEN_PX = 3  # of a mark, below which a network of a few images does not tell it from noise
MOST_AT_ONCE = 4  # cycles, where nobody says how many
BATCH = 16  # of a generator, where nobody says another
LEAST_BATCH = 2  # at once, that is advised where memory lacks
SMALL_PX = 96  # of a classifier's input, that is advised there
BESIDE = "a generator and a classifier beside each other"


@dataclass(frozen=True)
class Concern:
    """Something to know before a run.

    Attributes:
        stops: it cannot end well.
    """

    text: str
    stops: bool = False

    @property
    def line(self) -> str:
        """As a preview shows it."""
        return f"{'WRONG ' if self.stops else '! '}{self.text}"


def concerns(
    store: ObjectStore,
    settings: PipelineSettings,
    source: Source,
    counts: Counts,
    weights: str,
    *,
    in_folds: bool = False,
) -> list[Concern]:
    """All that is to be said before a run: what stops it first, then what weighs most in what comes of it.

    Weights come before all else that does not stop: what a classifier starts from moves its figures most.

    Args:
        source: what was recognised at the photographs.
        counts: split -> label -> images, as far as they can be known.
        weights: file that a person named, "starter", or empty.
        in_folds: the photographs are divided by folds, not by shares.
    """
    all_concerns = [
        *of_settings(store, settings, sorted(counts["train"])),
        *of_weights(settings.arms[0], settings, weights),
        *of_synthesis(settings, source, counts, in_folds=in_folds),
        *of_photographs(source, settings),
        *of_disk(store.url, source, settings),
        *of_memory(settings, sum(sum(split.values()) for split in counts.values()), available_memory()),
    ]
    return sorted(all_concerns, key=lambda concern: not concern.stops)


def _synthesises(settings: PipelineSettings) -> bool:
    """Whether generators are trained at all."""
    return any(arm.takes_synthetic for arm in settings.arms)


def stop_on(concerns: Sequence[Concern]) -> None:
    """FailedPrecondition where a concern stops the run; says all of those."""
    if stopping := [concern.text for concern in concerns if concern.stops]:
        raise FailedPrecondition("; ".join(stopping))


def in_lines(concerns: Sequence[Concern]) -> list[str]:
    """As a preview shows them, what matters most first."""
    return [*_heading(concerns), *(concern.line for concern in concerns)]


def _heading(concerns: Sequence[Concern]) -> list[str]:
    """What stands above several of them; nothing above one."""
    many = f"{len(concerns)} things to know before the run; the first matters most"
    return [many] if len(concerns) > 1 else []


def warn_or_stop(concerns: Sequence[Concern], say: Callable[[str], None], warn: Callable[[str], None]) -> None:
    """Before a run: what does not stop it is said, then it goes on or does not, as `stop_on` has it.

    Args:
        say: is given the line above the warnings. warn: each of them.
    """
    harmless = [concern for concern in concerns if not concern.stops]
    for line in _heading(harmless):
        say(line)
    for concern in harmless:
        warn(concern.text)
    stop_on(concerns)


def of_photographs(source: Source, settings: PipelineSettings) -> Iterator[Concern]:
    """Some of the photographs are opened: broken ones, and such that have less detail than is to be made, or more."""
    generator = settings.generator
    resolution_px = generator.resolution_px if _synthesises(settings) else 0
    step = max(1, len(source.files) // SAMPLED)
    sampled = [file.path for file in source.files[::step]][:SAMPLED]
    broken, smallest, larger = {}, 0, []
    for path in sampled:
        try:
            data = (source.root / path).read_bytes()
            decode(data)
            side = min(size_of(data))
            smallest = min(smallest or side, side)
            larger.append(max(size_of(data)))
        except (DefectoryError, OSError) as error:
            broken[path] = str(error)
    if broken:
        path, why = next(iter(broken.items()))
        all_ = len(broken) == len(sampled)
        right = "give photographs that can be opened" if all_ else "ingest lists such files and skips them"
        yield Concern(
            f"{len(broken)} of {len(sampled)} photographs looked at cannot be read, e.g. {path}: {why}; {right}", all_
        )
    as_large = max(SMALLEST_PX, 1 << (smallest.bit_length() - 1)) if smallest else 0
    if 0 < as_large < resolution_px and smallest < resolution_px:
        yield Concern(
            f"the smallest photograph looked at is {smallest} px wide or high, and generators make {resolution_px} px: "
            f"--set generator.resolution_px={as_large} invents nothing"
        )
    masks = _has_masks(source)
    times = median(larger) / resolution_px if larger and resolution_px else 0
    if times < COARSE or (masks and generator.view == "defect"):  # crops of defects keep their detail
        return
    finer = [
        f"--set generator.resolution_px={2 * resolution_px} shows twice as much and takes about 4 times as long"
    ] * (2 * resolution_px <= min(smallest, LARGEST_PX)) + [
        "--set generator.view=defect learns defects at their own size, where masks say where they are"
    ] * (masks and not settings.edits.for_generators)
    yield Concern(
        f"photographs whose longer side is {median(larger):.0f} px (the median of some) become {resolution_px} px for "
        f"the generators (no defect was measured): one that is {math.ceil(SEEN_PX * times)} px wide in a photograph is "
        f"{SEEN_PX} px wide there, the least of which a generator learns much{'; ' * bool(finer)}{', '.join(finer)}"
    )


def _has_masks(source: Source) -> bool:
    return any(file.masks for file in source.files)


def of_settings(store: ObjectStore, settings: PipelineSettings, labels: Sequence[str]) -> Iterator[Concern]:
    """Settings against each other, against the labels, and against the models that are there."""
    for check in (
        lambda: check_labels_of(settings, labels),
        lambda: check_start_label(settings, labels),
    ):
        try:
            check()
        except DefectoryError as error:
            yield Concern(str(error), True)
    generator = settings.generator
    named = {generator.start, *generator.initial_models.values()} - {"", STARTER}
    for model in sorted(named):
        try:
            resolve(store, "generator", model)
        except DefectoryError as error:
            yield Concern(f"generator.initial_model: {error}", True)
    if (generator.augment_mode == "fixed") != (generator.augment_p > 0):
        yield Concern(
            f"generator.augment_p is {generator.augment_p:g} with generator.augment_mode {generator.augment_mode}: "
            "fixed needs a probability above 0, the others take none",
            True,
        )
    if settings.filter.policy == "band" and settings.filter.lower_threshold > settings.filter.threshold:
        yield Concern(
            f"filter.lower_threshold {settings.filter.lower_threshold:g} is above filter.threshold "
            f"{settings.filter.threshold:g}, so the policy band keeps nothing: swap them",
            True,
        )
    for arm in settings.arms:
        effective = cooked(arm.classifier_settings(settings.classifier), BASE_PX)
        if effective["warmup_epochs"] > effective["epochs"]:
            yield Concern(
                f"the arm {arm.name} has warmup_epochs {effective['warmup_epochs']} of {effective['epochs']} epochs: "
                "use at most as many as epochs",
                True,
            )


def of_synthesis(
    settings: PipelineSettings, source: Source, counts: Counts, *, in_folds: bool = False
) -> Iterator[Concern]:
    """Labels of too few images for a generator, and defects that cannot be learned by themselves.

    Args:
        counts: split -> label -> images.
        in_folds: the photographs are divided by folds, not by shares.
    """
    if not _synthesises(settings):
        return
    train = counts["train"]
    learnt = learnt_of(settings, sorted(label for label, images in train.items() if images))
    of_learnt = {split: {label: by_label.get(label, 0) for label in learnt} for split, by_label in counts.items()}
    shares = Shares(settings.data.validation_share, settings.data.test_share)
    if few := lacking(of_learnt, shares if divides(source) and not in_folds else None):
        yield Concern(few)
    masks = _has_masks(source)
    if any(train[label] < MIN_TRAINED for label in learnt):
        yield Concern(
            f"of fewer than {MIN_TRAINED} training images generators repeat what they have seen, or collapse, and what "
            f"they make is known to do harm: {_without_generators(settings, masks=masks)}"
        )
    if settings.generator.view == "defect" and not masks:
        yield Concern(
            "generator.view is defect, and no photograph comes with a mask that says where its defect lies: whole "
            "parts are learned; give masks, or set generator.view to part"
        )


def _without_generators(settings: PipelineSettings, *, masks: bool) -> str:
    """Which arm to compare with that needs no generator; the one that is there, where one is."""
    beside = [arm for arm in settings.arms if not arm.takes_synthetic]
    wanted, suitable = "edited", [arm for arm in beside if arm.takes_edited]
    if not masks:
        wanted, suitable = "augmented", [arm for arm in beside if _augments(arm, settings)]
    if suitable:
        own = suitable[0].name
        return f"believe the arm {own}, which needs no generator, rather than those that take synthetic images"
    names = [arm.name for arm in settings.arms]
    typed = f"--set 'arms=[{','.join([names[0], wanted, *names[1:]])}]'"
    if masks and not settings.edits.wanted:
        typed += " --set edits.count=200"
    can_be_typed = wanted not in names and all(arm in NAMED_ARMS for arm in settings.arms)
    right = f"of a run: {typed}" if can_be_typed else f"an entry of arms with trains_on {wanted}"
    return f"compare with the arm {wanted}, which needs no generator ({right})"


def _augments(arm: ArmSettings, settings: PipelineSettings) -> bool:
    return bool(cooked(arm.classifier_settings(settings.classifier), BASE_PX)["augment"] > 0)


def of_weights(first: ArmSettings, settings: PipelineSettings, weights: str) -> Iterator[Concern]:
    """Where the classifiers' base will start, where that is not what was asked for."""
    effective = cooked(first.classifier_settings(settings.classifier), BASE_PX)
    if (
        os.environ.get("DEFECTORY_CLASSIFIER_ADDRESS")
        or effective["initial_weights"] != "imagenet"
        or weights == STARTER
    ):
        return
    if weights:
        if not Path(weights).is_file():
            yield Concern(f"weights {weights}: there is no such file; name one that is there, or starter", True)
    elif (
        effective["width_multiplier"] == 1 and not in_shared(os.environ.get("DEFECTORY_SHARED", "")) and not in_keras()
    ):
        yield Concern(STARTER_EXPECTED)


def of_disk(store_url: str, source: Source, settings: PipelineSettings) -> Iterator[Concern]:
    """Space in a store that is a folder: photographs once, synthetic images, models."""
    parts = urlsplit(store_url)
    if parts.scheme != "file":
        return
    folder = Path(unquote(parts.path))
    there = next(one for one in (folder, *folder.parents) if one.is_dir())  # a run makes its store
    photographs = sum(
        (source.root / file.path).stat().st_size for file in source.files if (source.root / file.path).exists()
    )
    synthetic = 2 * 2 * settings.synthesis.quota * settings.generator.resolution_px**2 * 3
    needed, free = photographs + synthetic + MODELS_BYTES, shutil.disk_usage(there).free
    if free < needed:
        yield Concern(
            f"the store {folder} has {free / GIB:.1f} GiB left and the run needs about {needed / GIB:.1f}: make room, "
            "or name another place with --store",
            True,
        )


def of_memory(settings: PipelineSettings, photographs: int, available: int | None) -> Iterator[Concern]:
    """The largest process of the line, or those that are at work beside each other.

    Args:
        available: bytes; None where that cannot be known.
    """
    if available is None:
        return
    needed = memory_needed(settings, photographs)
    what = max(("generators", "classifiers"), key=lambda alone: needed[alone])
    if needed[what] <= available:
        what = BESIDE
    bytes_ = needed[what]
    if bytes_ > available:
        smaller = [text for text, is_so in _less_memory(settings, of_classifiers=what == "classifiers") if not is_so]
        mend = ", ".join(smaller) or "free some, or use a machine with more"
        yield Concern(f"{what} need about {bytes_ / GIB:.1f} GiB of memory, and {available / GIB:.1f} are free: {mend}")


def _less_memory(settings: PipelineSettings, *, of_classifiers: bool) -> Iterator[tuple[str, bool]]:
    """What takes less of it, and whether it is so already."""
    if of_classifiers:
        classifier = settings.classifier
        yield "--set classifier.at_once=1 trains one cycle at a time", classifier.at_once == 1
        yield f"--set classifier.input_px={SMALL_PX} takes less", cooked(classifier, BASE_PX)["input_px"] <= SMALL_PX
    else:
        generator = settings.generator
        in_parts = (generator.micro_batch or generator.batch or BATCH) <= LEAST_BATCH
        yield f"--set generator.micro_batch={LEAST_BATCH} computes a batch in parts", in_parts


def memory_needed(settings: PipelineSettings, photographs: int) -> Mapping[str, int]:
    """What trains -> bytes at most."""
    generator, classifier = settings.generator, cooked(settings.classifier, BASE_PX)
    batch = generator.micro_batch or generator.batch or BATCH
    still = classifier["trainable_base"] == "none" and not classifier["augment"]
    processes = settings.classifier.at_once or (
        1 if still else min(settings.classifier.cycles, MOST_AT_ONCE, os.cpu_count() or 1)
    )
    of_generator = FRAMEWORK_BYTES + BYTES_A_VALUE * batch * values_of(generator)

    def of_classifiers(images: int) -> int:
        return int(processes * (FRAMEWORK_BYTES + images * 3 * classifier["input_px"] ** 2))

    return {
        "generators": of_generator,
        "classifiers": of_classifiers(photographs + 2 * settings.synthesis.quota),
        BESIDE: of_generator + of_classifiers(photographs),
    }
