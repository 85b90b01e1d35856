"""What is reviewed: the synthetic images that a run's filter judged, or all pictures of one dataset."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from defectory.datasets.manifest import (
    DEFAULT_READING,
    Reading,
    dataset_of_manifest,
    iter_manifest,
    manifest_key,
    read_card,
)
from defectory.datasets.manifest_line import ManifestLine
from defectory.errors import FailedPrecondition, InvalidInput, NotFound
from defectory.models import is_name
from defectory.storage.store import ObjectStore
from orchestrator.pipeline.outputs import FILTER, INGEST, JUDGE, Filtered, Ingested, Key, Read
from orchestrator.pipeline.run_record import RunRecord

FOLD = re.compile(r"(?P<experiment>.+)-f(?P<number>[1-9][0-9]*)")  # what a fold of an experiment calls what it makes


@dataclass(frozen=True)
class ReviewedDataset:
    """A dataset whose pictures are decided about.

    Attributes:
        content_hash: of its card; documents of decisions say it.
    """

    name: str
    content_hash: str


@dataclass(frozen=True)
class Subject:
    """What one page shows.

    Attributes:
        name: of the run or dataset.
        datasets: whose pictures they are. of_row: row -> its dataset, as an index of `datasets`.
        lines: row -> its manifest line. No two rows are the same picture of the same dataset.
        real: sha256 -> line of every real image that the pictures are compared with, and that a blind test mixes in.
        labels: that a picture may be given, sorted.
        judge: "name/version" of who scored them; "": nobody did.
    """

    name: str
    datasets: tuple[ReviewedDataset, ...]
    of_row: tuple[int, ...]
    lines: tuple[ManifestLine, ...]
    real: Mapping[str, ManifestLine]
    labels: tuple[str, ...]
    judge: str = ""

    @cached_property
    def photographs(self) -> tuple[ManifestLine, ...]:
        """Real training images, as they came, that are not among the rows: what synthetic images are compared with."""
        shown = {line.file.sha256 for line in self.lines}
        return tuple(
            line
            for sha, line in self.real.items()
            if line.split == "train" and not line.origin.augmentation and sha not in shown
        )


def read_subject(store: ObjectStore, name: str, reading: Reading, *, as_dataset: bool = False) -> Subject:
    """The subject of a name: a run's, or a fold's of an experiment (`tiles-f2`), or else a dataset's.

    Args:
        as_dataset: the dataset, even where there is a run of that name.

    Raises:
        NotFound: neither is there. FailedPrecondition: the run has no judged images yet.
    """
    if not as_dataset and is_name(name) and store.exists(f"runs/{name}/pipeline.json"):
        return _of_run(store, name, RunRecord(store, name), "", reading)
    fold = FOLD.fullmatch(name) if is_name(name) and not as_dataset else None
    if fold and store.exists(f"experiments/{fold['experiment']}/pipeline.json"):
        prefix = f"fold{fold['number']}-"
        return _of_run(store, name, RunRecord(store, fold["experiment"], "experiments"), prefix, reading)
    try:
        card = read_card(store, name)
    except (NotFound, InvalidInput) as error:
        right = "`defectory runs` and `defectory dataset list` list those that are there"
        raise NotFound(
            f"there is neither a run nor a dataset {name!r} in {store.url}, nor a fold of an experiment; {right}"
        ) from error
    lines = _unique(iter_manifest(store, store.uri(manifest_key(name)), reading))
    return Subject(
        name=name,
        datasets=(ReviewedDataset(name, str(card["content_hash"])),),
        of_row=(0,) * len(lines),
        lines=tuple(lines),
        real={line.file.sha256: line for line in lines if line.is_real},
        labels=tuple(sorted({line.label for line in lines})),
    )


def judged_uris(filtered: Filtered) -> list[str]:
    """Manifests of everything that a run's filter judged, label by label and round by round."""
    return [one.manifest_uri for label in filtered.root.values() for one in label.rounds]


def _of_run(store: ObjectStore, run: str, record: RunRecord, prefix: str, reading: Reading) -> Subject:
    """What a run's filter judged, or a fold's.

    Args:
        run: what it is called, and what it made with it. prefix: of its steps' names in the record.
    """
    ingested, filtered = record.step(_below(prefix, INGEST)), record.step(_below(prefix, FILTER))
    if ingested is None or filtered is None:
        right = f"`defectory review {run}` shows them when its step `{prefix}filter` has finished"
        raise FailedPrecondition(f"the run {run!r} has no judged synthetic images yet: {right}")
    judge = record.step(_below(prefix, JUDGE))
    return replace(
        subject_of(store, run, ingested.outputs, filtered.outputs, reading),
        judge=judge.outputs.full_name if judge else "",
    )


def _below(prefix: str, key: Key[Read]) -> Key[Read]:
    return Key(prefix + key.step, key.model)


def subject_of(
    store: ObjectStore, run: str, ingested: Ingested, filtered: Filtered, reading: Reading = DEFAULT_READING
) -> Subject:
    """What a run's filter judged, with its photographs beside."""
    datasets: list[ReviewedDataset] = []
    of_row: list[int] = []
    lines: list[ManifestLine] = []
    for uri in judged_uris(filtered):
        name = dataset_of_manifest(store, uri)
        own = _unique(iter_manifest(store, uri, reading))
        datasets.append(ReviewedDataset(name, str(read_card(store, name)["content_hash"])))
        of_row += [len(datasets) - 1] * len(own)
        lines += own
    return Subject(
        name=run,
        datasets=tuple(datasets),
        of_row=tuple(of_row),
        lines=tuple(lines),
        real={x.file.sha256: x for x in iter_manifest(store, ingested.manifest_uri, reading) if x.is_real},
        labels=tuple(sorted({*ingested.labels, *(line.label for line in lines)})),
    )


def _unique(lines: Iterator[ManifestLine]) -> Sequence[ManifestLine]:
    """The first line of each picture: a decision is about a picture, however often it is listed."""
    return list({line.file.sha256: line for line in reversed(list(lines))}.values())[::-1]
