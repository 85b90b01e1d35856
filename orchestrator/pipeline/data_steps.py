"""Steps that make datasets in this process: ingest, and what an arm is trained on."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue

from defectory.datasets.manifest import content_hash, dataset_of_manifest, groups_key, read_manifest, write_dataset
from defectory.datasets.manifest_line import ManifestLine
from defectory.datasets.parts import found_by_likeness, label_of_good, mixed_in_words, mixed_parts
from defectory.datasets.splits import SPLIT_NAMES, counts
from defectory.errors import FailedPrecondition, InvalidInput
from defectory.settings import reading_from_environment
from defectory.storage.store import ObjectStore
from orchestrator.pipeline.arms import ArmSettings
from orchestrator.pipeline.clients import ReportCallback
from orchestrator.pipeline.data_settings import DataSettings
from orchestrator.pipeline.hashing import fingerprint
from orchestrator.pipeline.outputs import (
    FILTER,
    INGEST,
    REVIEW,
    ArmDataset,
    Edited,
    Filtered,
    FilteredLabel,
    Ingested,
    edits_of,
)
from orchestrator.pipeline.progress import Report
from orchestrator.pipeline.step import Inputs, StepContext, StepInputs

if TYPE_CHECKING:
    from defectory.datasets.layouts.source import Choices, Source


def ingest_inputs(context: StepInputs) -> Inputs:
    """The settings and the files as they lie there; where the folder is does not matter."""
    data = context.settings.data
    groups = fingerprint(Path(data.groups)) if data.groups else []
    return {
        "settings": data.model_dump(exclude={"directory", "groups"}),
        "files": fingerprint(Path(data.directory)),
        "groups": groups,
    }


def ingest(context: StepContext) -> Ingested:
    """Read the folder into a dataset with splits.

    Raises:
        InvalidInput: also where it has one label: the line compares classifiers.
    """
    return ingest_folder_outputs(
        context.settings.data, context.store, context.run, context.on_report, context.warn, least_labels=2
    )


def recognised(data: DataSettings) -> "Source":
    """What is recognised at the folder, before any photograph is read."""
    from defectory.datasets.layouts import read_source
    from defectory.datasets.layouts.table import with_groups

    source = read_source(Path(data.directory), _choices(data))
    return with_groups(source, Path(data.groups)) if data.groups else source


def recognise(data: DataSettings) -> dict[str, JsonValue]:
    """The same in figures; see `layouts.summary.summarise`."""
    from defectory.datasets.layouts.summary import summarise

    return summarise(recognised(data), data.labels)


def say_source(summary: Mapping[str, JsonValue], on_report: ReportCallback, warn: Callable[[str], None]) -> None:
    """Say what was recognised: figures as lines, whatever can go wrong as warnings."""
    from defectory.datasets.layouts.summary import in_words, warnings

    for text in in_words(summary):
        on_report(Report("", 0, 0, "", text=text))
    for text in warnings(summary):
        warn(text)


def check_labels(labels: Sequence[str], least: int) -> None:
    """InvalidInput unless so many labels are there."""
    if len(labels) < least:
        right = "give photographs of another label, too; `defectory ingest` and `generator train` take one label"
        raise InvalidInput(
            f"all photographs are labelled {labels[0]}, and the line compares classifiers: {right}",
            {"data.directory": right},
        )


def check_good(labels: Sequence[str], good: str) -> None:
    """InvalidInput unless one of the labels means a good part: defects are told from those, and so is what it costs."""
    if good not in labels:
        right = f"add a folder `{good}` of them, or name the label that is good with --good LABEL"
        raise InvalidInput(
            f"no photograph is of a good part (the labels are {', '.join(sorted(labels))}), and the line says how many "
            f"good parts are rejected and how many defects pass: {right}",
            {"data.good": right},
        )


def _choices(data: DataSettings) -> "Choices":
    from defectory.datasets.layouts.source import Choices

    return Choices(layout=data.layout, good=data.good, masks=data.masks, keep_splits=data.keep_splits)


def ingest_folder_outputs(
    data: DataSettings,
    store: ObjectStore,
    name: str,
    on_report: ReportCallback,
    warn: Callable[[str], None],
    *,
    least_labels: int = 1,
) -> Ingested:
    """Say what was recognised in a folder, read it into the dataset `name`, and say what became of it."""
    from defectory.datasets.ingest import ingest as ingest_folder
    from defectory.datasets.layouts.summary import summarise
    from defectory.datasets.tiles import Tiling
    from orchestrator.pipeline.group_sheet import group_sheet, groups_of

    def on_source(source: "Source") -> None:
        summary = summarise(source, data.labels)
        say_source(summary, on_report, warn)
        check_labels(summary["becomes"], least_labels)

    result = ingest_folder(
        Path(data.directory),
        store,
        name,
        fit=data.fit,
        keep_alpha=data.keep_alpha,
        bits=data.bits,
        tiling=Tiling(data.tile_px, data.tile_overlap) if data.tile or data.tile_px else None,
        labels=data.labels,
        seed=data.seed,
        groups_csv=Path(data.groups) if data.groups else None,
        shares=(1 - data.validation_share - data.test_share, data.validation_share, data.test_share),
        grow_test_to=data.grow_test_to,
        test_augmentations=data.test_augmentations,
        choices=_choices(data),
        on_source=on_source,
        report=lambda stage, done, total, unit: on_report(Report(stage, done, total, unit)),
    )
    if result.skipped:
        warn(f"{len(result.skipped)} files were skipped, e.g. {result.skipped[0][0]}: {result.skipped[0][1]}")
    for note in result.card["notes"]:
        warn(note)
    if result.card["warning"]:
        warn(result.card["warning"])
    if result.card["validation_warning"]:
        warn(result.card["validation_warning"])
    if result.card["straddling"]:
        warn(
            f"{result.card['straddling']} parts have photographs in several of the splits that were kept: "
            "the test split measures what was trained on"
        )
    lines = read_manifest(store, result.manifest_uri, reading_from_environment())
    kept = bool(result.card["source"]["splits"])
    larger = "give more photographs of it, or a larger --test-share or --validation-share"
    right = "it is so in the splits that were kept" if kept else larger
    for split, absent in lacks(lines).items():
        warn(f"the {split} split has no image of {', '.join(absent)}: {right}")
    mixed = mixed_in_words(mixed_parts(lines, label_of_good(result.card)))
    if mixed:
        warn(mixed)
    groups = groups_of(lines)
    groups_uri = ""
    if groups:
        on_report(Report("drawing the sheet of parts with several photographs", 0, len(groups), "parts"))
        store.put(groups_key(name), group_sheet(store, groups, said=mixed))
        groups_uri = store.uri(groups_key(name))
    return Ingested(
        dataset=name,
        manifest_uri=result.manifest_uri,
        content_hash=content_hash(lines),
        images=len(lines),
        photographs=len({line.origin.source for line in lines}),
        parts=len({line.part for line in lines}),
        by_likeness=found_by_likeness(lines),
        groups_uri=groups_uri,
        labels=sorted({line.label for line in lines}),
        skipped=result.skipped,
        source=result.card["source"],
        counts=counts(lines),
        independent_groups={
            split: len({line.part for line in lines if line.split == split and not line.origin.augmentation})
            for split in ("train", "validation", "test")
        },
        bits=result.card["bits"],
        notes=result.card["notes"],
        drawn=result.card["drawn"],
    )


def arm_dataset_inputs(arm: ArmSettings) -> Callable[[StepInputs], Inputs]:
    """The real lines and, where the arm takes some, the edited ones, or all that synthesis and filter have made."""

    def inputs(context: StepInputs) -> Inputs:
        real = context.outputs[INGEST]
        known: dict[str, object] = {"real": real.content_hash, "manifest": real.manifest_uri}
        if arm.takes_edited:
            known = {**known, "edits": _known(context.outputs[edits_of(arm)])}
        if not arm.takes_synthetic:
            return known if arm.takes_edited else {**known, "trains_on": arm.trains_on}
        # What the filter made is the same for both kinds of arm; its name in the hash parts their steps.
        chosen: Inputs = {} if arm.takes_accepted else {"trains_on": arm.trains_on}
        if arm.trains_on == "reviewed" and (documents := context.outputs[REVIEW].documents):
            chosen = {"review": documents}
        return {**known, **chosen, "filter": {x: _known(of) for x, of in context.outputs[FILTER].root.items()}}

    return inputs


def _known(output: Edited | FilteredLabel) -> dict[str, JsonValue]:
    """An output, without what it lacks where that is nothing: finished runs did not say so."""
    known: dict[str, JsonValue] = output.model_dump(mode="json", exclude=None if output.lacks else {"lacks"})
    return known


def arm_dataset(arm: ArmSettings, *, may_lack: bool = False) -> Callable[[StepContext], ArmDataset]:
    """Make what an arm is trained on: the real lines as they are, and what is added to train on.

    Args:
        may_lack: where there is no synthetic image, go on without, photographs of every label drawn equally as they
            are beside made images; False: that is an error. Where there is no edit, that was decided before.
    """

    def work(context: StepContext) -> ArmDataset:
        real = read_manifest(context.store, context.outputs[INGEST].manifest_uri, reading_from_environment())
        added = balancing(real) if arm.trains_on == "balanced" else []
        lacks: dict[str, str] = {}
        if arm.takes_edited:
            edited = context.outputs[edits_of(arm)]
            if edited.lacks:
                lacks["no edit could be made"] = edited.lacks
            else:
                added += read_manifest(context.store, edited.manifest_uri, reading_from_environment())
        if arm.takes_synthetic:
            synthetic = _accepted(context, arm)
            if not synthetic and not may_lack:
                raise FailedPrecondition(
                    f"no synthetic image was accepted, so there is nothing to add to the training set of {arm.name}; "
                    "train the generators longer (--set generator.kimg=…) or ask for less (--set filter.threshold=…)"
                )
            if not synthetic:
                lacks |= _lacking(context.outputs[FILTER])
            added += synthetic
        for what in lacks:
            context.warn(f"{what}: {arm.name} is trained without, under the same settings")
        if lacks and not added:
            added = balancing(real)
        lines = real + added
        name = context.name(arm.name)
        card = {"run": context.run, "parents": [context.outputs[INGEST].dataset], "purpose": arm.name}
        return ArmDataset(
            dataset=name,
            manifest_uri=write_dataset(context.store, name, lines, card),
            content_hash=content_hash(lines),
            counts=counts(lines),
            synthetic=dict(Counter(line.label for line in added if line.origin.kind == "synthetic")),
            edited=dict(Counter(line.label for line in added if line.origin.kind == "edited")),
            lacks=lacks,
        )

    return work


def _lacking(filtered: Filtered) -> dict[str, str]:
    """Why there is no synthetic image: no generator, or none of its images was accepted -> why that is, if known."""
    without = {label: of.lacks for label, of in filtered.root.items() if of.lacks}
    if len(without) < len(filtered.root):
        return {"no synthetic image was accepted": ""}
    why = {text: ", ".join(x for x in without if without[x] == text) for text in without.values()}
    return {"no generator could be trained": "; ".join(f"{labels}: {text}" for text, labels in why.items())}


def _accepted(context: StepContext, arm: ArmSettings) -> list[ManifestLine]:
    """The synthetic lines that an arm takes, of all labels."""
    documents = context.outputs[REVIEW].documents if arm.trains_on == "reviewed" else {}
    return [
        replace(line, split="train")
        for filtered in context.outputs[FILTER].root.values()
        for line in _synthetic(context.store, filtered, documents, as_made=arm.trains_on == "synthetic")
    ]


def _synthetic(
    store: ObjectStore, filtered: FilteredLabel, documents: Mapping[str, str], *, as_made: bool
) -> list[ManifestLine]:
    """As many of a label's synthetic lines as its quota: of those accepted, or the first of all that were made.

    What a person accepted is in first, and all of it, however much: what is left of the quota the filter's fill.

    Args:
        documents: judged dataset -> the document that says what people decided about it; of others nothing is decided.
    """
    if as_made:
        uris = [one.synthetic_manifest_uri for one in filtered.rounds]
    else:
        uris = [documents.get(dataset_of_manifest(store, x.manifest_uri), x.manifest_uri) for x in filtered.rounds]
    lines = [line for uri in uris for line in read_manifest(store, uri, reading_from_environment())]
    if as_made:
        return lines[: filtered.quota]
    accepted = [line for line in lines if line.judgement.verdict == "accepted"]
    by_people = [line for line in accepted if line.judgement.reviewer]
    by_filter = [line for line in accepted if not line.judgement.reviewer]
    return by_people + by_filter[: max(filtered.quota - len(by_people), 0)]


def balancing(lines: list[ManifestLine]) -> list[ManifestLine]:
    """Training lines to repeat, so that an epoch draws every label as often as the most frequent one."""
    by_label: dict[str, list[ManifestLine]] = {}
    for line in lines:
        if line.split == "train":
            by_label.setdefault(line.label, []).append(line)
    most = max(map(len, by_label.values()))
    return [again for rare in by_label.values() for again in islice(cycle(rare), most - len(rare))]


def lacks(lines: list[ManifestLine]) -> dict[str, list[str]]:
    """split -> labels that are in the dataset, but not in that split; only splits that lack one."""
    by_split, labels = counts(lines), {line.label for line in lines}
    absent = {split: sorted(labels - by_split.get(split, {}).keys()) for split in SPLIT_NAMES}
    return {split: missing for split, missing in absent.items() if missing}
