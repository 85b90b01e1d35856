"""What has to be said of a label's synthetic images: too few of them, or a generator that has not learned enough."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import BaseModel

from defectory.errors import NotFound
from defectory.storage.store import ObjectStore
from orchestrator.pipeline.outputs import FilteredLabel, TrainedGenerator
from orchestrator.pipeline.presets import PRESETS
from orchestrator.pipeline.settings import GeneratorSettings

OUTLIER_ALARM = 0.5  # share of outliers from which the generator is to blame, not the single image
REJECTED_ALARM = 0.75  # share of rejected images from which the generator is to blame, not the judge
# Share of the photographs that were held out which have a generated image like them. Of photographs themselves it is
# nearly 1 (Naeem et al. 2020, arXiv:2002.09797): below one half most of what there is, is not made.
COVERAGE_ALARM = 0.5
RECOMMENDED = "quick"  # the preset whose trainings are long enough, from a starter, and from another label's generator


class Snapshot(BaseModel):
    """What was measured of a generator at some point of its training; nothing where that could not be."""

    kimg: float
    coverage: float | None = None


class GeneratorCard(BaseModel):
    """model.json of a generator, as far as it says how well it has learned."""

    initial_model: str = ""
    shipped_kimg: float = 0.0
    history: list[Snapshot] = []


@dataclass(frozen=True)
class Learned:
    """How long a generator has learned, and how well.

    Attributes:
        kimg: thousands of images that it was shown. wanted_kimg: that the preset RECOMMENDED shows one of this start.
        coverage: in [0, 1], of the snapshot that became the model; None: too few photographs to measure it.
        setting: that says how long a generator of this start is trained. model: its "name/version"; may be empty.
    """

    kimg: float
    wanted_kimg: float
    coverage: float | None
    setting: str = "generator.kimg"
    model: str = ""


def learned(store: ObjectStore, generator: TrainedGenerator) -> Learned | None:
    """What a generator's card says of its learning; None where it has none, or it is not there any more."""
    if not generator.card_uri:
        return None
    try:
        card = GeneratorCard.model_validate_json(store.get(store.key(generator.card_uri)))
    except NotFound:
        return None
    shipped = [x for x in card.history if x.kimg == card.shipped_kimg]
    recommended = GeneratorSettings.model_validate(PRESETS[RECOMMENDED]["generator"])
    from_another_label = "/" in card.initial_model  # "name/version", where a starter has a name alone
    wanted = (from_another_label and recommended.transfer_kimg) or recommended.kimg or 0.0
    return Learned(
        generator.kimg,
        wanted,
        shipped[-1].coverage if shipped else None,
        "generator.transfer_kimg" if from_another_label else "generator.kimg",
        generator.full_name,
    )


def is_short(filtered: FilteredLabel) -> bool:
    """Whether fewer were accepted than wanted."""
    return filtered.accepted < filtered.quota


def doubts_of(labels: Mapping[str, tuple[FilteredLabel, Learned | None]]) -> list[str]:
    """What a person should know of synthetic images, and do about it, heaviest first; nothing where all is well.

    A judge that fails on photographs makes every verdict worth little; too few images make a comparison one of other
    things; a generator that has learned little explains it.

    Args:
        labels: label -> its images, and how its generator has learned; None where nothing is known of that.
    """
    judges = dict.fromkeys(
        doubt for filtered, _ in labels.values() for judged in filtered.rounds for doubt in judged.doubts
    )
    short, unlearned = [], []
    for label, (filtered, learned) in labels.items():
        total = sum(count for judged in filtered.rounds for count in judged.verdicts.values())
        signs = list(_signs(filtered, total, learned))
        if is_short(filtered):
            advice = "" if signs else ". Train its generator longer (generator.kimg), or accept more (filter.threshold)"
            short.append(
                f"{label}: {_some(filtered.accepted)} of the {filtered.quota} synthetic images wanted were accepted, "
                f"of {total} that were made{advice}"
            )
        if signs:
            unlearned.append(
                f"{label}: the generator has not learned enough, so expect blurred or strange images: "
                f"{'; '.join(signs)}. {_mend(learned)}"
            )
    return [*judges, *short, *unlearned]


def _some(accepted: int) -> str:
    return f"only {accepted}" if accepted else "none"


def _mend(learned: Learned | None) -> str:
    """What to do about a generator that has not learned enough."""
    if learned is None:
        return "Train it longer (generator.kimg)"
    longer = f"--set {learned.setting}={learned.wanted_kimg:g}" if learned.kimg < learned.wanted_kimg else ""
    look = f"Look at what it makes (`defectory generator show {learned.model}` names its sheet); train" * bool(
        learned.model
    )
    return f"{look or 'Train'} it longer ({longer or f'more {learned.setting}'})"


def _signs(filtered: FilteredLabel, total: int, learned: Learned | None) -> Iterator[str]:
    """By what is seen that a generator has not learned enough."""
    strange = sum(judged.reasons.get("outlier", 0) for judged in filtered.rounds)
    if strange > OUTLIER_ALARM * total:
        yield f"{strange} of {total} images are farther from every real one than real ones are from each other"
    rejected = sum(judged.verdicts.get("rejected", 0) for judged in filtered.rounds)
    if rejected > REJECTED_ALARM * total:
        yield f"{rejected} of {total} were rejected"
    if learned is None:
        return
    if learned.coverage is not None and learned.coverage < COVERAGE_ALARM:
        share = f"only {learned.coverage:.0%}" if learned.coverage else "none"
        yield f"{share} of the photographs held out have one like them (coverage)"
    if learned.coverage is None and learned.kimg < learned.wanted_kimg:
        yield (
            f"it was shown {_images(learned.kimg)} images while it trained, where preset {RECOMMENDED} shows "
            f"{_images(learned.wanted_kimg)}, and there are too few validation images to measure what it makes"
        )


def _images(kimg: float) -> str:
    return f"{round(kimg * 1000):,}"
