"""What the line does where defects are learned, not whole parts: crops, their generator and judge, and setting them in.

These are parts of the steps that train generators and that fill the quotas (`synthetic_steps.py`).
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from defectory.api.classifier.v1 import classifier_pb2
from defectory.api.generator.v1 import generator_pb2
from defectory.datasets.manifest import content_hash, dataset_of_manifest, read_card, read_manifest, write_dataset
from defectory.datasets.manifest_line import Judgement, ManifestLine
from defectory.datasets.shares import MIN_TRAINED
from defectory.job_settings.filtering import Filtering
from defectory.settings import reading_from_environment
from orchestrator.defects.crops import GOOD, crop_defects, kinds_in
from orchestrator.defects.looking import cut_out
from orchestrator.defects.setting import EMPTY, set_defects
from orchestrator.edits.catalogue import catalogue_of, kind_of
from orchestrator.edits.recipe import EditRecipe
from orchestrator.pipeline.classifier_steps import JUDGE_SEED, equal_steps, first_start, training_settings
from orchestrator.pipeline.generation import SEED_STRIDE, identified, judge, synthesise, train, trained_generator
from orchestrator.pipeline.methods import TRAIN_CLASSIFIER
from orchestrator.pipeline.outputs import INGEST, JUDGE, LearnedCrops, Round, TrainedGenerator
from orchestrator.pipeline.progress import Report
from orchestrator.pipeline.step import StepContext
from orchestrator.pipeline.synthetic_labels import labels_of

OF_THE_FILTER = ("judged", "limits", "probe", "warnings")  # of the card of what was judged, beside counts


def learnt_as_defects(context: StepContext) -> dict[str, list[str]]:
    """label -> kinds of its defects whose places are known; labels of which none is known are learned as whole parts.

    Nothing where whole parts are wanted.
    """
    settings = context.settings.generator
    if settings.view == "part":
        return {}
    kinds: dict[str, set[str]] = {label: set() for label in labels_of(context)}
    pictures: dict[str, set[str]] = {}  # of a kind
    for line in _defects_and_good_parts(context):
        if line.label in kinds and line.split == "train" and line.mask and line.is_real:
            kinds[line.label].add(kind_of(line))
            pictures.setdefault(kind_of(line), set()).add(line.file.sha256)
    for label, there in kinds.items():
        if settings.kinds and label not in settings.kinds:
            there.intersection_update(settings.kinds)
    without = [label for label, there in kinds.items() if not there]
    if without:
        context.warn(
            f"{', '.join(without)}: no mask says where the defects of training images lie"
            f"{' (of generator.kinds)' if settings.kinds else ''}, so the whole part is learned at "
            f"{settings.resolution_px} px"
        )
    learnt = {label: sorted(there) for label, there in kinds.items() if there}
    few = [kind for there in learnt.values() for kind in there if len(pictures[kind]) < MIN_TRAINED]
    if few:
        context.warn(
            f"fewer than {MIN_TRAINED} training images with a mask of {', '.join(few)}: generators are known to do "
            "harm there; the arm edited multiplies the defects that there are (with edits.count)"
        )
    return learnt


def train_defects(context: StepContext, learnt: Mapping[str, Sequence[str]]) -> dict[str, TrainedGenerator]:
    """Cut crops, train a generator of the surface, and from it one of all kinds of defects with their masks.

    Args:
        learnt: label -> kinds of its defects.
    """
    crops = _crops(context, learnt)
    known = kinds_in(crops.counts)
    settings = context.settings.generator
    initial = next((settings.initial_models[label] for label in learnt if label in settings.initial_models), "")
    if not initial and GOOD in crops.counts["train"]:
        surface = _train(context, crops, [GOOD], "surface", settings.start, with_mask=False)
        initial = f"{surface.name}/{surface.version}"
    trained = _train(context, crops, known, "defects", initial or settings.start, with_mask=True)
    for leak in trained.leaks:
        context.warn(f"defects: an augmentation leaked into their images, {leak}")
    outputs = {}
    for label, kinds in learnt.items():
        there = [kind for kind in kinds if kind in known]
        if there:
            outputs[label] = trained_generator(trained).model_copy(update={"crops": crops, "kinds": there})
        else:
            context.warn(f"{label}: not one crop shows a defect of it whole and on its part, so none is made")
    return outputs


def defect_round(
    context: StepContext, label: str, generator: TrainedGenerator, before: Sequence[Round], synthesised: int, count: int
) -> Round | None:
    """Make crops of a label's defects, judge them, set those that pass into good parts, and judge them there.

    Args:
        before: the rounds before. synthesised: crops of these. count: crops of this one.

    Returns:
        None where not one photograph could be made.
    """
    number, crops = len(before) + 1, learned_crops(generator)
    judged_uris = [
        _judged_crops(context, label, generator, kind, before, synthesised, share)
        for kind, share in shared(count, generator.kinds).items()
    ]
    judged = [x for uri in judged_uris for x in read_manifest(context.store, uri, reading_from_environment())]
    passed = [line for line in judged if line.judgement.verdict == "accepted"]
    catalogue = catalogue_of(context.store, _defects_and_good_parts(context), _recipe(context, generator.kinds))
    name = context.name(label, f"r{number}", "set", generator.version, content_hash(judged)[:8])
    done = set_defects(
        context.store, passed, catalogue, _recipe(context, generator.kinds), name, label=label,
        seed=context.settings.seed * SEED_STRIDE + synthesised,
        size=crops.side_px / context.settings.generator.resolution_px,
        report=lambda done, total: context.reporting(label)(Report("setting defects in", done, total, "photographs")),
    )  # fmt: skip
    if not done.images:
        context.warn(
            f"{label}: not one of {count} crops passed and could be set into a good part: see the sheet of their "
            "generator, and train it longer (generator.transfer_kimg)"
        )
        return None
    unset = [(line, line.judgement) for line in judged if line.judgement.verdict != "accepted"]
    unset += [(line, _rejected(why)) for line, why in done.nowhere]
    return _judged_round(context, label, generator, before, done.manifest_uri, unset, judged_uris)


def _judged_round(
    context: StepContext,
    label: str,
    generator: TrainedGenerator,
    before: Sequence[Round],
    set_uri: str,
    unset: Sequence[tuple[ManifestLine, Judgement]],
    crops_uris: list[str],
) -> Round:
    """The photographs judged, and beside them the crops that were set nowhere, as rejected images of the label.

    Whether a defect is one is asked where it is large, of who judges crops; of photographs the novelty gate is asked.
    """
    number = len(before) + 1
    judged = judge(
        context, [label], number, set_uri, context.outputs[INGEST].manifest_uri, context.outputs[JUDGE].full_name,
        [one.manifest_uri for one in before], context.settings.filter.model_copy(update={"policy": "none"}),
    )  # fmt: skip
    photographs = read_manifest(context.store, judged.manifest_uri, reading_from_environment())
    refused = _refused_where_they_are(context, label, generator, number, photographs, set_uri)
    photographs = [_also_rejected(x, refused[x.file.sha256]) if x.file.sha256 in refused else x for x in photographs]
    # Who judges crops knows other labels: his scores are no scores of the label.
    crops = [replace(x, label=label, kind=x.label, judgement=replace(why, scores=None)) for x, why in unset]
    lines = [*photographs, *crops]
    reasons = Counter(reason for line in lines for reason in line.judgement.reasons)
    verdicts = Counter(line.judgement.verdict for line in lines)
    dataset = dataset_of_manifest(context.store, judged.manifest_uri)
    card = {
        **{name: value for name, value in read_card(context.store, dataset).items() if name in OF_THE_FILTER},
        "verdicts": dict(verdicts),
        "reasons": dict(reasons),
    }
    uri = write_dataset(context.store, context.name(label, f"r{number}", "all", content_hash(lines)[:8]), lines, card)
    return Round(
        synthetic_manifest_uri=set_uri,
        manifest_uri=uri,
        content_hash=content_hash(lines),
        verdicts=dict(verdicts),
        reasons=dict(reasons),
        curve_uri=judged.curve_uri,
        doubts=list(judged.warnings),
        crops_manifest_uris=crops_uris,
    )


def _refused_where_they_are(
    context: StepContext,
    label: str,
    generator: TrainedGenerator,
    number: int,
    photographs: Sequence[ManifestLine],
    set_uri: str,
) -> dict[str, tuple[str, ...]]:
    """sha256 of a photograph -> why the judge of crops does not take what was set there for a defect of its kind."""
    crops = learned_crops(generator)
    name = context.name(label, f"r{number}", "looked-at", content_hash(photographs)[:8])
    cut_uri = cut_out(context.store, photographs, name, crops.side_px, source=set_uri)
    # The ground around the defect is that of a training image, and no copy of it.
    rules = _rules_of_crops(context, label).model_copy(update={"novelty_gate": False})
    parts = [label, "looked-at"]
    judged = judge(context, parts, number, cut_uri, crops.manifest_uri, _crop_judge(context, crops), [], rules)
    lines = read_manifest(context.store, judged.manifest_uri, reading_from_environment())
    return {x.origin.parents[0]: x.judgement.reasons for x in lines if x.judgement.verdict == "rejected"}


def _also_rejected(line: ManifestLine, reasons: Sequence[str]) -> ManifestLine:
    judgement = line.judgement
    return replace(line, judgement=replace(judgement, verdict="rejected", reasons=(*judgement.reasons, *reasons)))


def _rules_of_crops(context: StepContext, label: str) -> Filtering:
    """The thresholds of a label, for its kinds: crops have no other label."""
    rules = context.settings.filter
    own = {
        "threshold": rules.label_thresholds.get(label, rules.threshold),
        "lower_threshold": rules.label_lower_thresholds.get(label, rules.lower_threshold),
    }
    return rules.model_copy(update={**own, "label_thresholds": {}, "label_lower_thresholds": {}})


def _judged_crops(
    context: StepContext,
    label: str,
    generator: TrainedGenerator,
    kind: str,
    before: Sequence[Round],
    synthesised: int,
    count: int,
) -> str:
    """URI of crops of one kind with verdicts: those without a defect are rejected, the others judged by their like."""
    number, crops = len(before) + 1, learned_crops(generator)
    conditional = kind if len(kinds_in(crops.counts)) > 1 else ""
    synthetic_uri = synthesise(context, label, generator.full_name, number, synthesised, count, conditional)
    lines = read_manifest(context.store, synthetic_uri, reading_from_environment())
    empty = [replace(line, label=kind, judgement=_rejected(EMPTY)) for line in lines if line.mask is None]
    full = [replace(line, label=kind) for line in lines if line.mask is not None]
    if not full:
        return write_dataset(
            context.store, context.name(kind, f"r{number}", "empty", content_hash(empty)[:8]), empty, {}
        )
    name = context.name(kind, f"r{number}", "full", content_hash(full)[:8])
    full_uri = write_dataset(context.store, name, full, {"parents": [synthetic_uri]})
    rules = _rules_of_crops(context, label)
    place = generator.kinds.index(kind)
    accepted = [one.crops_manifest_uris[place] for one in before]
    parts = [label, kind, "crops"]
    judged = judge(context, parts, number, full_uri, crops.manifest_uri, _crop_judge(context, crops), accepted, rules)
    all_lines = [*read_manifest(context.store, judged.manifest_uri, reading_from_environment()), *empty]
    name = context.name(kind, f"r{number}", "crops", content_hash(all_lines)[:8])
    return write_dataset(context.store, name, all_lines, {"parents": [judged.manifest_uri]})


def _crop_judge(context: StepContext, crops: LearnedCrops) -> str:
    """The classifier that tells kinds of defects, and good surface, from each other in crops; "name/version".

    As with photographs, no cycle of it knows all that is real.
    """
    settings, start = context.settings, first_start(context)
    recipe = settings.classifier.model_copy(update={"square_px": settings.generator.resolution_px})
    steps = math.ceil(sum(crops.counts["train"].values()) / recipe.batch)
    chosen = equal_steps(training_settings(recipe, steps, start))
    chosen.good_label = GOOD
    request = classifier_pb2.TrainClassifierRequest(
        manifest_uri=crops.manifest_uri,
        name=context.name("crop-judge"),
        settings=chosen,
        cycles=settings.filter.judge_cycles,
        seed=settings.seed + JUDGE_SEED,
        folds=settings.filter.judge_cycles,
        at_once=settings.classifier.at_once,
    )
    request.request_id = identified(context, "crop judge", request)[0]
    classifier = context.services.operate(TRAIN_CLASSIFIER, request, context.reporting("judge of crops")).classifier
    return f"{classifier.name}/{classifier.version}"


def _train(
    context: StepContext, crops: LearnedCrops, labels: Sequence[str], name: str, initial: str, *, with_mask: bool
) -> generator_pb2.Generator:
    """Train on crops, of defects for as long as a training that begins with another's generator."""
    settings = context.settings.generator
    if with_mask:
        chosen = settings.model_copy(update={"with_mask": True, "kimg": settings.transfer_kimg or settings.kimg})
    else:  # nobody looks at its pictures: of what is gone on from, both networks are of one moment
        chosen = settings.model_copy(update={"with_mask": False, "ship": "last"})
    return train(context, name, crops.manifest_uri, labels, chosen, initial)


def _crops(context: StepContext, learnt: Mapping[str, Sequence[str]]) -> LearnedCrops:
    """Cut the crops of all kinds, and of good parts."""
    kinds = sorted({kind for of_label in learnt.values() for kind in of_label})
    source, name = context.outputs[INGEST].manifest_uri, context.name("crops", context.input_hash[:8])
    crops = crop_defects(
        context.store, _defects_and_good_parts(context), _recipe(context, kinds), name, source=source,
        resolution_px=context.settings.generator.resolution_px, seed=context.settings.seed,
        report=lambda done, total: context.reporting("crops")(Report("cutting", done, total, "photographs")),
    )  # fmt: skip
    for note in crops.notes:
        context.warn(note)
    return LearnedCrops(
        dataset=name,
        manifest_uri=crops.manifest_uri,
        content_hash=crops.content_hash,
        side_px=crops.side_px,
        counts=crops.counts,
    )


def _defects_and_good_parts(context: StepContext) -> list[ManifestLine]:
    """What a defect may be cut out of, or set into: a defect that nobody marked is neither."""
    good = context.settings.classifier.good_label
    lines = read_manifest(context.store, context.outputs[INGEST].manifest_uri, reading_from_environment())
    return [line for line in lines if line.mask or line.label == good]


def _recipe(context: StepContext, kinds: Sequence[str]) -> EditRecipe:
    """How defects are chosen, and set in."""
    return EditRecipe(kinds=tuple(kinds), largest=context.settings.generator.largest)


def learned_crops(generator: TrainedGenerator) -> LearnedCrops:
    """What a generator of defects learned from; ValueError of one of whole parts."""
    if generator.crops is None:
        raise ValueError(f"{generator.full_name} makes whole parts")
    return generator.crops


def shared(count: int, kinds: Sequence[str]) -> dict[str, int]:
    """So many images, rounded up, in equal shares."""
    return {kind: -(-count // len(kinds)) for kind in kinds}


def _rejected(reason: str) -> Judgement:
    return Judgement(verdict="rejected", reasons=(reason,))
