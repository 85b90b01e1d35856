"""A fold of an experiment: who is tested, who validates, and on which photographs the arms are trained."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version

from pydantic import Field, JsonValue

from defectory.datasets.decisions import Decisions, now, write_once
from defectory.datasets.folds import write_folds
from defectory.datasets.manifest import content_hash, read_manifest
from defectory.datasets.manifest_line import ManifestLine
from defectory.datasets.splits import counts
from defectory.settings import reading_from_environment
from defectory.storage.store import ObjectStore
from orchestrator.pipeline.outputs import INGEST, ArmDataset, Counts, Ingested, Key, Output
from orchestrator.pipeline.step import Inputs, StepContext, StepInputs
from orchestrator.proof.arms import MoreReal
from orchestrator.proof.few_shot import few_of
from orchestrator.proof.shift import left_out, levels_of, shifted
from orchestrator.proof.spec import ExperimentSpec, FewShot


class Photographs(Output):
    """A number of photographs between few and all of a fold."""

    manifest_uri: str
    content_hash: str
    counts: Counts


class Fold(Ingested):
    """The photographs as one fold has them: to the steps of its line what an ingested dataset is.

    Attributes:
        all_uri: the same with all photographs of the other folds in training, and nothing else other.
        all_counts: split -> label -> images, of that.
        level: of the column `shift` that is tested, and left out of training; "": none.
        kinds: kind of defect, "good" for good ones -> training photographs.
        more: photographs a kind -> the same with so many in training.
    """

    all_uri: str
    all_hash: str
    all_counts: Counts
    kinds: dict[str, int]
    level: str = ""
    more: dict[int, Photographs] = Field(default_factory=dict)

    def photographs_of(self, arm: MoreReal) -> Photographs:
        """What an arm on more photographs is trained on."""
        everything = Photographs(manifest_uri=self.all_uri, content_hash=self.all_hash, counts=self.all_counts)
        return self.more[arm.per_kind] if arm.per_kind else everything

    def trained_on(self, arm: MoreReal | None) -> int:
        """Training photographs of an arm on more of them; None: of the others."""
        counts = self.photographs_of(arm).counts if arm else self.counts
        return sum(counts.get("train", {}).values())


def fold_inputs(spec: ExperimentSpec, number: int) -> Callable[[StepInputs], Inputs]:
    """The photographs, and how they are divided."""

    def inputs(context: StepInputs) -> Inputs:
        ingested = context.outputs[INGEST]
        few = spec.few_shot.model_dump() if spec.few_shot else None
        sizes = _sizes(spec)
        more: Inputs = {"more": sizes} if sizes else {}
        levels = levels_of(spec)
        shift: Inputs = {"shift": {"level": left_out(levels, number), "levels": levels}} if levels else {}
        return {
            **shift, **more,
            "dataset": ingested.content_hash, "manifest": ingested.manifest_uri, "folds": spec.folds, "fold": number,
            "seed": spec.seed, "few_shot": few,
        }  # fmt: skip

    return inputs


def fold(spec: ExperimentSpec, number: int) -> Callable[[StepContext], Fold]:
    """Write the documents of a fold, counted from 1: no image is stored again."""

    def work(context: StepContext) -> Fold:
        store, ingested = context.store, context.outputs[INGEST]
        lines = read_manifest(store, ingested.manifest_uri, reading_from_environment())
        whole_uri = write_folds(store, ingested.dataset, lines, spec.folds, spec.seed)[number - 1]
        whole = read_manifest(store, whole_uri, reading_from_environment())
        levels = levels_of(spec)
        level = left_out(levels, number)
        if level:
            gone = shifted(whole, levels, level, spec.good)
            title = f"fold {number} of {spec.folds}, {spec.shift} {level} left out of training"
            whole_uri = _without(
                store,
                ingested.dataset,
                content_hash(lines),
                gone,
                whole_uri,
                title,
                {"shift": spec.shift, "level": level},
            )
            whole = read_manifest(store, whole_uri, reading_from_environment())

        def of_few(few: FewShot | None) -> tuple[str, list[ManifestLine]]:
            uri = _few(store, spec, few, ingested.dataset, content_hash(lines), whole, whole_uri, number)
            return uri, whole if uri == whole_uri else read_manifest(store, uri, reading_from_environment())

        uri, own = of_few(spec.few_shot)
        more = {size: of_few(_more_of(spec.few_shot, size)) for size in _sizes(spec) if spec.few_shot}
        good = spec.good
        trained = [line for line in own if line.split == "train"]
        return Fold(
            **{
                **ingested.model_dump(),
                "manifest_uri": uri, "content_hash": content_hash(own), "counts": counts(own), "skipped": [],
                "level": level, "all_uri": whole_uri, "all_hash": content_hash(whole), "all_counts": counts(whole),
                "kinds": Counter(good if line.label == good else line.kind or line.label for line in trained),
                "more": {
                    size: Photographs(manifest_uri=at, content_hash=content_hash(of), counts=counts(of))
                    for size, (at, of) in more.items()
                },
            }
        )  # fmt: skip

    return work


def _sizes(spec: ExperimentSpec) -> list[int]:
    """Photographs a kind of the arms between few and all."""
    return sorted({arm.per_kind for arm in spec.arms if isinstance(arm, MoreReal) and arm.per_kind})


def _more_of(few: FewShot, per_kind: int) -> FewShot:
    """More photographs of defects, and as many times more good ones."""
    return few.model_copy(update={"per_kind": per_kind, "good": round(few.good * per_kind / few.per_kind)})


def _few(
    store: ObjectStore,
    spec: ExperimentSpec,
    few: FewShot | None,
    dataset: str,
    of_dataset: str,
    whole: list[ManifestLine],
    whole_uri: str,
    number: int,
) -> str:
    """URI of a document that leaves few training photographs in the fold; its own where there is no such wish."""
    if few is None:
        return whole_uri
    trained = [line for line in whole if line.split == "train"]
    chosen = few_of(trained, few, spec.good, spec.seed)
    gone = [line.file.sha256 for line in trained if line.file.sha256 not in chosen]
    title = f"fold {number} of {spec.folds}, {few.per_kind} photographs a kind, {few.good} good"
    settings: dict[str, JsonValue] = {**few.model_dump(), "seed": spec.seed, "fold": number}
    return _without(store, dataset, of_dataset, gone, whole_uri, title, settings)


def _without(
    store: ObjectStore,
    dataset: str,
    of_dataset: str,
    gone: Sequence[str],
    replaces: str,
    title: str,
    settings: Mapping[str, JsonValue],
) -> str:
    """URI of a document that takes photographs out of all splits of another."""
    document = Decisions(
        kind="split",
        dataset=dataset,
        content_hash=of_dataset,
        values=dict.fromkeys(gone, "none"),
        by=f"defectory {version('defectory')}",
        settings=settings,
        created_utc=now(),
        replaces=replaces,
        title=title,
    )
    return write_once(store, document)


def more_photographs_inputs(arm: MoreReal, key: Key[Fold]) -> Callable[[StepInputs], Inputs]:
    """The fold with more of its training photographs."""

    def inputs(context: StepInputs) -> Inputs:
        more = context.outputs[key].photographs_of(arm)
        return {"dataset": more.content_hash, "manifest": more.manifest_uri}

    return inputs


def more_photographs(arm: MoreReal, key: Key[Fold]) -> Callable[[StepContext], ArmDataset]:
    """What an arm on more photographs is trained on: a document that is there already."""

    def work(context: StepContext) -> ArmDataset:
        own = context.outputs[key]
        return ArmDataset(dataset=own.dataset, synthetic={}, **own.photographs_of(arm).model_dump())

    return work
