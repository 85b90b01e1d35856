"""Steps that make synthetic images: one generator a label, then rounds of synthesis and filtering to the quotas."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from pydantic import JsonValue

from defectory.datasets.manifest import content_hash, read_manifest, write_dataset
from defectory.errors import NotMade
from defectory.settings import reading_from_environment
from orchestrator.pipeline.accepted import doubts_of, learned
from orchestrator.pipeline.generation import judge, synthesise, train, trained_generator
from orchestrator.pipeline.outputs import (
    EDITS,
    GENERATORS,
    INGEST,
    JUDGE,
    Filtered,
    FilteredLabel,
    Generators,
    NoGenerator,
    Round,
    TrainedGenerator,
)
from orchestrator.pipeline.rounds import is_worth_another, round_size
from orchestrator.pipeline.settings import GeneratorSettings
from orchestrator.pipeline.step import Inputs, StepContext, StepInputs
from orchestrator.pipeline.synthetic_labels import labels_of, quota, start_label
from orchestrator.pipeline.whole import Whole


def generators_inputs(context: StepInputs) -> Inputs:
    """The training images, labels, settings and seed."""
    edited: Inputs = {"edits": context.outputs[EDITS].content_hash} if context.settings.edits.for_generators else {}
    return {
        **edited,
        "real": context.outputs[INGEST].content_hash,
        "manifest": context.outputs[INGEST].manifest_uri,
        "labels": labels_of(context),
        "settings": _what_decides(context.settings.generator),
        "seed": context.settings.seed,
    }


def _what_decides(generator: GeneratorSettings) -> dict[str, JsonValue]:
    """A generator's settings, without those of defects where whole parts are learned; labels stand beside."""
    of_defects = {"view", "kinds", "largest"} if generator.view == "part" else set()
    unset = {name for name in ("with_mask", "lecam_weight") if not getattr(generator, name)}  # runs from before
    return generator.model_dump(mode="json", exclude={"labels", *of_defects, *unset})


def generators(*, may_lack: bool = False) -> Callable[[StepContext], Generators]:
    """Train one generator a label; of labels whose defects are learned, one for all of them.

    Args:
        may_lack: of a label whose generator cannot be trained, hand on why; False: that is an error.
    """
    return lambda context: _generators(context, may_lack=may_lack)


def _generators(context: StepContext, *, may_lack: bool) -> Generators:
    from orchestrator.pipeline.defect_steps import learnt_as_defects, train_defects

    outputs: dict[str, TrainedGenerator] = {}
    lacking: dict[str, NoGenerator] = {}

    @contextmanager
    def going_on_without(labels: Sequence[str]) -> Iterator[None]:
        try:
            yield
        except NotMade as error:
            if not may_lack:
                raise
            context.warn(f"no generator of {', '.join(labels)} could be trained: {error}")
            lacking.update(dict.fromkeys(labels, NoGenerator(lacks=str(error))))

    defects = learnt_as_defects(context)
    given = context.settings.generator.initial_models
    first = start_label(context)
    manifest_uri = _learnt_from(context)
    labels = [label for label in labels_of(context) if label not in defects]
    labels.sort(key=lambda label: label != first)  # which is stable: only `first` moves
    whole = Whole(_lengths(context.settings.generator, labels, first, bool(defects)))
    context = replace(context, on_report=whole.counting(context.on_report))
    for label in labels:
        settings = context.settings.generator
        initial = given.get(label, "")
        if first in outputs and not initial:
            initial = outputs[first].full_name
            settings = settings.model_copy(update={"kimg": settings.transfer_kimg or settings.kimg})
        with going_on_without([label]):
            generator = train(context, label, manifest_uri, [label], settings, initial or settings.start)
            for leak in generator.leaks:
                context.warn(f"{label}: an augmentation leaked into its images, {leak}")
            outputs[label] = trained_generator(generator)
    if defects:
        with going_on_without(list(defects)):
            outputs |= train_defects(context, defects)
    return Generators({**outputs, **lacking})


def _lengths(settings: GeneratorSettings, labels: Sequence[str], first: str, defects: bool) -> dict[str, float | None]:
    """Training -> its length in kimg, in their order; None: as the service chooses, which is the same for all."""
    moved = settings.transfer_kimg or settings.kimg
    starts = {first, *settings.initial_models}
    lengths = {label: settings.kimg if label in starts or first not in labels else moved for label in labels}
    return {**lengths, "surface": settings.kimg, "defects": moved} if defects else lengths


def _learnt_from(context: StepContext) -> str:
    """The manifest that generators learn from: the photographs, and where it is wanted the edited pictures."""
    real_uri = context.outputs[INGEST].manifest_uri
    if not context.settings.edits.for_generators:
        return real_uri
    from orchestrator.edits.making import combined

    edited = context.outputs[EDITS]
    if edited.lacks:
        return real_uri
    lines, _ = combined(context.store, real_uri, [edited.manifest_uri])
    card = {"run": context.run, "parents": [context.outputs[INGEST].dataset], "purpose": GENERATORS.step}
    return write_dataset(context.store, context.name(GENERATORS.step, context.input_hash[:8]), lines, card)


def filter_inputs(context: StepInputs) -> Inputs:
    """The generators, the judge, quotas and rules."""
    return {
        "real": context.outputs[INGEST].content_hash,
        "manifest": context.outputs[INGEST].manifest_uri,
        "judge": context.outputs[JUDGE].identity(),
        "generators": {label: _identity(generator) for label, generator in context.outputs[GENERATORS].root.items()},
        "synthesis": context.settings.synthesis.model_dump(),
        "filter": context.settings.filter.model_dump(exclude={"judge_cycles"}),
        "seed": context.settings.seed,
    }


def _identity(generator: TrainedGenerator | NoGenerator) -> dict[str, JsonValue]:
    """A generator's, and of one of defects what it learned from, and of which kinds it is to make some."""
    if isinstance(generator, NoGenerator):
        return generator.model_dump()
    if generator.crops is None:
        return generator.identity()
    return {**generator.identity(), "crops": generator.crops.content_hash, "kinds": list(generator.kinds)}


def synthesise_and_filter(context: StepContext) -> Filtered:
    """For every label: make images, have them judged, and make more until the quota is met."""
    trained = context.outputs[GENERATORS].trained
    whole = Whole({label: quota(context, label) for label in trained})
    context = replace(context, on_report=whole.naming(context.on_report))
    outputs: dict[str, FilteredLabel] = {}
    for label, why in context.outputs[GENERATORS].lacking.items():
        outputs[label] = FilteredLabel(rounds=[], quota=quota(context, label), accepted=0, lacks=why)
    for label, generator in trained.items():
        filtered = outputs[label] = _rounds(context, label, generator, quota(context, label), whole)
        whole.advance(label, 1.0)
        for warning in doubts_of({label: (filtered, learned(context.store, generator))}):
            context.warn(warning)
    return Filtered(outputs)


def _rounds(context: StepContext, label: str, generator: TrainedGenerator, wanted: int, whole: Whole) -> FilteredLabel:
    from orchestrator.pipeline.defect_steps import defect_round

    rounds: list[Round] = []
    accepted = synthesised = 0
    most = context.settings.synthesis.max_rounds
    while is_worth_another(wanted, accepted, synthesised, most - len(rounds)):
        count = round_size(wanted, accepted, synthesised, context.settings.synthesis.surplus)
        one_round = defect_round if generator.kinds else _round
        done = one_round(context, label, generator, rounds, synthesised, count)
        if done is None:
            break
        rounds.append(done)
        synthesised += count
        accepted += done.verdicts.get("accepted", 0)
        whole.advance(label, accepted / wanted)
    return FilteredLabel(rounds=rounds, quota=wanted, accepted=accepted)


def _round(
    context: StepContext, label: str, generator: TrainedGenerator, before: Sequence[Round], synthesised: int, count: int
) -> Round:
    """Make whole parts, and have them judged."""
    number = len(before) + 1
    synthetic_uri = synthesise(context, label, generator.full_name, number, synthesised, count)
    judged = judge(
        context,
        [label],
        number,
        synthetic_uri,
        context.outputs[INGEST].manifest_uri,
        context.outputs[JUDGE].full_name,
        [one.manifest_uri for one in before],
        context.settings.filter,
    )
    lines = read_manifest(context.store, judged.manifest_uri, reading_from_environment())
    return Round(
        synthetic_manifest_uri=synthetic_uri,
        manifest_uri=judged.manifest_uri,
        content_hash=content_hash(lines),
        verdicts=dict(judged.verdicts),
        reasons=dict(judged.reasons),
        curve_uri=judged.curve_uri,
        doubts=list(judged.warnings),
    )
