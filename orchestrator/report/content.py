"""Collects what a run left in the store, for the report's page and for result pages."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from defectory.caution import caution_of
from defectory.datasets.manifest import read_manifest
from defectory.datasets.manifest_line import ManifestLine
from defectory.datasets.pictures import picture_of
from defectory.errors import DefectoryError, NotFound
from defectory.settings import reading_from_environment
from defectory.storage.references import rooted
from defectory.storage.store import ObjectStore
from orchestrator.pipeline.accepted import doubts_of, is_short, learned
from orchestrator.pipeline.arms import ArmSettings
from orchestrator.pipeline.outputs import (
    EDITS,
    EXPLAIN,
    FILTER,
    GENERATORS,
    INGEST,
    JUDGE,
    REVIEW,
    Ingested,
    Key,
    Outputs,
    Read,
    Reviewed,
    Round,
    TrainedArm,
    dataset_of,
    evaluated,
    trained,
)
from orchestrator.pipeline.run_record import RecordedPipeline, RunRecord
from orchestrator.report import mistakes, recipe
from orchestrator.report.around import around_defect
from orchestrator.report.comparison import Comparison, compare, subjects_of
from orchestrator.report.detail import FULL
from orchestrator.report.documents import (
    Calibration,
    Card,
    Evaluation,
    Explanation,
    Heat,
    JudgedCard,
    Metrics,
    NoveltyLimits,
    Probe,
    Snapshot,
    ThresholdCurve,
    parsed,
    read_document,
)
from orchestrator.report.figures import reduced
from orchestrator.report.inspection import Choice, chosen
from orchestrator.report.learning import histories_of
from orchestrator.report.lineage import Deciders
from orchestrator.report.people import decided_lines
from orchestrator.report.served import Served, served_sentence
from orchestrator.report.times import StepTime, times_of
from orchestrator.report.trivial import Trivial, trivial_answer
from orchestrator.report.verdict import Verdict
from orchestrator.report.whole_curve import whole_curve

Some = TypeVar("Some")


@dataclass(frozen=True)
class ArmContent:
    """What an arm left.

    Attributes:
        images: split -> label -> images that it was trained on, chosen by and measured on.
        unfiltered: synthetic images that it was trained on as they were made; none of other arms.
        reliability: reliability.svg, before and after the temperature; None where its version drew none.
        recipe: how its classifier was trained, in words. steps: of the optimiser, a cycle.
        main_cycle: place of the cycle that is served, from 0. calibration: of its probabilities; None: not in its card.
    """

    settings: ArmSettings
    trained: TrainedArm
    images: dict[str, dict[str, int]]
    unfiltered: list[ManifestLine]
    metrics: Metrics
    evaluation: Evaluation
    reliability: bytes | None
    recipe: str
    steps: int
    main_cycle: int
    calibration: Calibration | None

    @property
    def caution(self) -> str:
        """Why its probabilities are worth little; empty: they were fitted on enough images."""
        return caution_of(self.calibration.validation.images) if self.calibration else ""

    @property
    def title(self) -> str:
        """What the report calls it."""
        return self.settings.shown


@dataclass(frozen=True)
class RunContent:
    """A run as the report tells it."""

    run: str
    pipeline: RecordedPipeline
    outputs: Outputs
    warned: dict[str, tuple[str, ...]]  # step -> what it warned of
    doubts: list[str]  # said first: synthetic images are too few, or of a generator that has not learned enough
    arms: list[ArmContent]  # the first is what the others are compared with
    comparison: Comparison
    real: list[ManifestLine]
    edited: list[ManifestLine]  # by recipe and by hand
    judged: dict[str, list[ManifestLine]]  # label -> every synthetic image with its verdict
    reviewed: Reviewed  # by people; empty where nobody did
    decided: dict[str, ManifestLine]  # sha256 -> a synthetic image as people left it
    curves: dict[str, ThresholdCurve]  # label -> over all its rounds
    probes: dict[str, Probe]  # label -> whether its synthetic images can be told from real ones, where it is known
    limits: dict[str, NoveltyLimits]  # label -> from where on the novelty gate rejected, where it is known
    learning: dict[str, list[Snapshot]]  # labels of a generator -> how it learned
    explanations: list[Explanation]
    heat: Heat  # where it lies; without models where nothing was explained
    times: list[StepTime]  # of the steps before the report

    @property
    def ingested(self) -> Ingested:
        """What became of the photographs."""
        return self.outputs[INGEST]

    @property
    def overruled(self) -> dict[str, list[ManifestLine]]:
        """label -> images that the filter accepted and people rejected; labels without any have none."""
        rejected = {sha256 for sha256, line in self.decided.items() if line.judgement.verdict == "rejected"}
        lines = {
            label: [x for x in judged if x.judgement.verdict == "accepted" and x.file.sha256 in rejected]
            for label, judged in self.judged.items()
        }
        return {label: of_label for label, of_label in lines.items() if of_label}

    @property
    def deciders(self) -> Deciders:
        """Who decided about synthetic images."""
        judge = self.outputs[JUDGE].full_name if JUDGE in self.outputs else ""
        return Deciders(judge, self.decided, self.limits, {x.file.sha256: x.label for x in self.real})

    @property
    def asks_people(self) -> bool:
        """Whether an arm trains on what people decide."""
        return not self.without_review and any(arm.trains_on == "reviewed" for arm in self.pipeline.arms)

    @property
    def without_review(self) -> bool:
        """Whether the run was made with --no-review."""
        return self.pipeline.settings.get("review") is False

    def lines(self) -> Iterator[ManifestLine]:
        """Every image that the run knows, some more than once."""
        yield from self.real
        yield from self.edited
        for judged in self.judged.values():
            yield from judged
        for arm in self.arms:
            yield from arm.unfiltered

    @property
    def recipes(self) -> dict[str, str]:
        """title -> how the arm's classifier was trained."""
        return {arm.title: arm.recipe for arm in self.arms}

    @property
    def warnings(self) -> list[str]:
        """What the run's steps warned of, and what its classifiers' cards say, each once, without the doubts."""
        cautions = [arm.caution for arm in self.arms if arm.caution]
        texts = dict.fromkeys([*(text for texts in self.warned.values() for text in texts), *cautions])
        return [text for text in texts if text not in self.doubts]

    @cached_property
    def trivial(self) -> Trivial | None:
        """All arms beside one answer to everything; None where that says nothing."""
        return trivial_answer({arm.title: arm.evaluation for arm in self.arms})

    @cached_property
    def choice(self) -> Choice:
        """The arm to go on with."""
        evaluations = {arm.title: arm.evaluation for arm in self.arms}
        no_better = self.trivial.no_better if self.trivial else []
        return chosen([arm.settings for arm in self.arms], evaluations, self.comparison.differences, no_better)

    @property
    def _served(self) -> dict[str, Served]:
        """title -> the arm's training that is served."""
        return {
            arm.title: Served(arm.evaluation, arm.main_cycle, sum(arm.images.get("validation", {}).values()))
            for arm in self.arms
        }

    @property
    def verdict(self) -> Verdict:
        """What the run says at a glance."""
        trivial = self.trivial
        return Verdict(
            doubts=[f"{text[0].upper()}{text[1:]}." for text in self.doubts],
            sentence=" ".join(filter(None, [trivial.sentence if trivial else "", self.comparison.verdict])),
            inspection=self.choice.sentence,
            counted=mistakes.sentence({arm.title: arm.evaluation for arm in self.arms}),
            trivial=trivial.figures if trivial else "",
            evidence=[*self.comparison.evidence, *filter(None, [served_sentence(self._served)])],
            recipe=recipe.sentence(self.recipes),
        )

    def splits(self) -> list[str]:
        """The splits that all arms were measured on after every epoch."""
        first = self.arms[0].metrics.cycles[0].epochs[0]
        return [split for split in ("validation", "test") if first.of(split) is not None]

    def reasons(self) -> dict[str, dict[str, int]]:
        """label -> {"made", "accepted", reason: rejected images}."""
        table = {}
        for label, lines in self.judged.items():
            counts = Counter(reason for line in lines for reason in line.judgement.reasons)
            table[label] = {
                "made": len(lines), "accepted": sum(x.judgement.verdict == "accepted" for x in lines), **counts,
            }  # fmt: skip
        return table


def read_run(store: ObjectStore, run: str) -> RunContent:
    """Read everything a report needs.

    Raises:
        NotFound: no such run. FailedPrecondition: a step that the report needs has not finished.
        Corrupted: a document that is not what a service writes.
    """
    record = RunRecord(store, run)
    pipeline = record.pipeline()
    outputs, warned = _steps(record, pipeline.arms)
    arms = [_arm(store, outputs, arm) for arm in pipeline.arms]
    judged, curves, probes, limits = {}, {}, {}, {}
    if FILTER in outputs:
        for label, filtered in outputs[FILTER].root.items():
            judged[label] = [
                line
                for one in filtered.rounds
                for line in read_manifest(store, one.manifest_uri, reading_from_environment())
            ]
            if filtered.rounds:
                first = read_document(store, filtered.rounds[0].curve_uri, ThresholdCurve)
                curves[label] = whole_curve(first, judged[label])
            cards = [_judged_card(store, one) for one in filtered.rounds]
            if (probe := _probe(cards, label)) is not None:
                probes[label] = probe
            gated = pipeline.section("filter").get("novelty_gate") is not False
            if gated and cards and cards[-1].limits is not None:  # read off the photographs: every round's are the same
                limits[label] = cards[-1].limits
    reviewed = outputs[REVIEW] if REVIEW in outputs else Reviewed()
    explanations, heat = [], Heat()
    if EXPLAIN in outputs:
        explained = outputs[EXPLAIN]
        heat = read_document(store, explained.summary_uri, Heat)
        data = rooted(store.get(store.key(explained.explanations_uri)), store)
        explanations = [parsed(line, Explanation, explained.explanations_uri) for line in data.splitlines()]
    lacks = FILTER in outputs and any(map(is_short, outputs[FILTER].root.values()))
    short = {arm.title for arm in arms if lacks and arm.settings.takes_accepted}
    return RunContent(
        run=run,
        pipeline=pipeline,
        outputs=outputs,
        warned=warned,
        doubts=_doubts(store, outputs) if any(arm.settings.takes_accepted for arm in arms) else [],
        arms=arms,
        comparison=compare({arm.title: arm.evaluation for arm in arms}, subjects_of(pipeline.arms), short),
        real=read_manifest(store, outputs[INGEST].manifest_uri, reading_from_environment()),
        edited=_edited(store, outputs),
        judged=judged,
        reviewed=reviewed,
        decided=decided_lines(store, outputs[FILTER], reviewed) if reviewed.documents else {},
        curves=curves,
        probes=probes,
        limits=limits,
        learning=histories_of(store, outputs[GENERATORS]) if GENERATORS in outputs else {},
        explanations=explanations,
        heat=heat,
        times=list(times_of(record)),
    )


def _steps(record: RunRecord, arms: Sequence[ArmSettings]) -> tuple[Outputs, dict[str, tuple[str, ...]]]:
    """What the steps handed on and warned of; of those that a page can do without, what is there."""
    outputs, warned = Outputs({}), {}

    def read(key: Key[Read], needed: bool) -> None:
        remembered = record.step(key)
        if remembered is not None:
            outputs.add(key.step, remembered.outputs)
            warned[key.step] = remembered.warnings
        elif needed:
            raise record.no_report_yet()

    read(INGEST, True)
    for arm in arms:
        read(trained(arm.name), True)
        read(evaluated(arm.name), True)
        if arm.has_own_dataset:
            read(dataset_of(arm.name), False)
    for key in (EDITS, JUDGE, GENERATORS, FILTER, REVIEW, EXPLAIN):
        read(key, False)
    return outputs, warned


def _doubts(store: ObjectStore, outputs: Outputs) -> list[str]:
    if FILTER not in outputs:
        return []
    generators = outputs[GENERATORS].trained if GENERATORS in outputs else {}
    return doubts_of(
        {
            label: (filtered, learned(store, generators[label]) if label in generators else None)
            for label, filtered in outputs[FILTER].root.items()
        }
    )


def _edited(store: ObjectStore, outputs: Outputs) -> list[ManifestLine]:
    if EDITS not in outputs:
        return []
    return read_manifest(store, outputs[EDITS].manifest_uri, reading_from_environment())


def _arm(store: ObjectStore, outputs: Outputs, arm: ArmSettings) -> ArmContent:
    classifier = outputs[trained(arm.name)]
    own = dataset_of(arm.name)
    card = read_document(store, classifier.card_uri, Card)
    lines = []
    if arm.trains_on == "synthetic" and own in outputs:
        lines = read_manifest(store, outputs[own].manifest_uri, reading_from_environment())
    folder = store.key(classifier.metrics_uri).rpartition("/")[0]
    return ArmContent(
        settings=arm,
        trained=classifier,
        images=outputs[own].counts if own in outputs else outputs[INGEST].counts,
        unfiltered=[line for line in lines if line.origin.kind == "synthetic"],
        metrics=read_document(store, classifier.metrics_uri, Metrics),
        evaluation=read_document(store, outputs[evaluated(arm.name)].evaluation_uri, Evaluation),
        reliability=_file(store, f"{folder}/reliability.svg"),
        recipe=recipe.in_words(card.settings),
        steps=classifier.steps_per_epoch * card.settings.epochs,
        main_cycle=card.main_cycle,
        calibration=card.calibration,
    )


def _judged_card(store: ObjectStore, one: Round) -> JudgedCard:
    return read_document(store, f"{one.manifest_uri.rpartition('/')[0]}/dataset.json", JudgedCard)


def _probe(cards: Sequence[JudgedCard], label: str) -> Probe | None:
    """Of the round with the most accepted images: one generator made those of all rounds, and only the seeds differ."""
    probes = [probe for card in cards if (probe := card.probe.get(label)) is not None]
    return max(probes, key=lambda probe: probe.synthetic, default=None)


def _file(store: ObjectStore, key: str) -> bytes | None:
    try:
        return store.get(key)
    except NotFound:
        return None


def some_images(
    store: ObjectStore, lines: Sequence[ManifestLine], count: int = FULL.images, side_px: int = FULL.tile_px
) -> list[tuple[ManifestLine, bytes]]:
    """At most `count` lines with their pictures as PNG, small, spread evenly over all; what is unreadable is left out.

    Args:
        side_px: a picture's longest side.
    """
    images = []
    for line in spread(lines, count):
        try:
            data = around_defect(store, line, side_px) or reduced(picture_of(store, line), side_px, line.file.bits)
        except DefectoryError:
            continue  # a sheet of the others is still worth looking at
        images.append((line, data))
    return images


def spread(all_: Sequence[Some], count: int) -> Sequence[Some]:
    """At most `count` of them, spread evenly."""
    return all_[:: max(1, len(all_) // max(1, count))][:count]
