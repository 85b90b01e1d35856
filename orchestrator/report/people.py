"""What people decided about a run's synthetic images, as the report tells it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from defectory.datasets.manifest import dataset_of_manifest, read_manifest
from defectory.datasets.manifest_line import ManifestLine
from defectory.settings import reading_from_environment
from defectory.storage.store import ObjectStore
from orchestrator.pipeline.outputs import (
    BlindTest,
    Filtered,
    LabelVerdicts,
    Reviewed,
    ReviewedBy,
    ReviewPair,
    SampleReview,
)


@dataclass(frozen=True)
class DecidedRow:
    """What one person decided about one label; minutes and what he overruled stand once, with his first label."""

    reviewer: str
    label: str
    accepted: int
    rejected: int
    relabelled: int
    overruled: str
    minutes: str


def decided_rows(reviewed: Reviewed) -> Iterator[DecidedRow]:
    """A row a reviewer and label."""
    for one in reviewed.reviewers:
        overruled, minutes = str(one.overruled), f"{one.minutes:.1f}"
        # A version that did not count by label knows the sums alone.
        of_labels: Mapping[str, LabelVerdicts | ReviewedBy] = one.by_label or {"all": one}
        for label, counts in of_labels.items():
            decisions = (counts.accepted, counts.rejected, counts.relabelled)
            yield DecidedRow(one.name, label, *decisions, overruled, minutes)
            overruled = minutes = ""


def agreement_sentence(pair: ReviewPair) -> str:
    """How far two people agree, in plain words."""
    said = f"{pair.first} and {pair.second} both decided about {pair.both} images and agree on {pair.agreed}"
    if pair.kappa is None:
        return f"{said}; kappa is not defined, for both said one and the same of all."
    if pair.low is None or pair.high is None:
        return f"{said}; kappa {pair.kappa:.2f}, without an interval, for nothing varies."
    return f"{said}; kappa {pair.kappa:.2f} [{pair.low:.2f}, {pair.high:.2f}]."


def sample_sentence(sample: SampleReview) -> str:
    """What share of a random sample is bad, and of what it was drawn."""
    filters = "".join(f", {name.replace('_', ' ')} {value}" for name, value in sample.filters.items())
    what = f"{', '.join(sample.labels) or 'all labels'}{filters}"
    said = f"{sample.by} looked at a random {sample.size} of {sample.of} images ({what})"
    if sample.low is None or sample.high is None:
        return f"{said}, and has decided about none of them any more."
    share = f"{sample.bad / sample.decided:.1%} [{sample.low:.1%}, {sample.high:.1%}]"
    return f"{said}: {sample.bad} of {sample.decided} are bad, {share}; of all of them the share lies in the brackets."


def blind_sentence(test: BlindTest) -> str:
    """Whether somebody could tell real from synthetic, and whether that is more than guessing."""
    share = f"{test.right / test.pictures:.0%} [{test.low:.0%}, {test.high:.0%}]"
    means = "more often than by guessing" if test.low > 0.5 else "which guessing alone can give (50%)"
    if test.high < 0.5:
        means = "less often than by guessing"
    return (
        f"{test.by} told {test.right} of {test.pictures} pictures of {test.label} rightly, {share}, {means}; "
        f"{test.called_real} of {test.synthetic} synthetic ones were taken for real."
    )


def decided_lines(store: ObjectStore, filtered: Filtered, reviewed: Reviewed) -> dict[str, ManifestLine]:
    """sha256 -> a synthetic image as people left it; none of those about which nobody decided."""
    decided: dict[str, ManifestLine] = {}
    for of_label in filtered.root.values():
        for one in of_label.rounds:
            document = reviewed.documents.get(dataset_of_manifest(store, one.manifest_uri))
            if document is not None:
                lines = read_manifest(store, document, reading_from_environment())
                decided |= {x.file.sha256: x for x in lines if x.judgement.reviewer}
    return decided
