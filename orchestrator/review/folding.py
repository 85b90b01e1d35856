"""From journals to documents of decisions: what counts of a review, as every reader of manifests understands it."""

from collections.abc import Sequence

import numpy as np

from defectory.datasets.decisions import DecisionKind, Decisions, now, write_once
from defectory.storage.store import ObjectStore
from orchestrator.review.decided import UNDECIDED, VERDICTS, Decided, Final, final
from orchestrator.review.subject import Subject

JOINED = ", "  # between reviewers' names, of what one document says that several decided


def write_documents(store: ObjectStore, subject: Subject, decided: Decided) -> dict[str, str]:
    """dataset -> URI of the newest document of its review; datasets about which nothing is decided have none.

    Of several reviewers the latest decision about a picture counts. A review is a row of documents, each of which
    replaces the one before: one of verdicts for every reviewer whose decisions count, and one of labels where pictures
    were given others. Documents that say the same already are not written again.
    """
    counts = final(decided.reviewers(), len(subject.lines))
    uris = {}
    for place, dataset in enumerate(subject.datasets):
        rows = np.flatnonzero((np.array(subject.of_row) == place) & (counts.verdict != UNDECIDED))
        uri = ""
        for kind, by, values in _parts(subject, counts, rows):
            document = Decisions(
                kind=kind,
                dataset=dataset.name,
                content_hash=dataset.content_hash,
                values=values,
                by=by,
                created_utc=now(),
                replaces=uri,
                title="review",
            )
            uri = write_once(store, document)
        if uri:
            uris[dataset.name] = uri
    return uris


def _parts(subject: Subject, counts: Final, rows: np.ndarray) -> Sequence[tuple[DecisionKind, str, dict[str, str]]]:
    """(kind, who decided, sha256 -> what) of each document of a dataset."""
    sha = {int(row): subject.lines[row].file.sha256 for row in rows}
    parts: list[tuple[DecisionKind, str, dict[str, str]]] = []
    for place, name in enumerate(counts.names):
        own = [int(row) for row in rows if counts.by[row] == place]
        if own:
            parts.append(("review", name, {sha[row]: VERDICTS[counts.verdict[row]] for row in own}))
    labelled = [int(row) for row in rows if counts.label[row]]
    if labelled:
        who = JOINED.join(sorted({counts.names[counts.by[row]] for row in labelled}))
        parts.append(("label", who, {sha[row]: subject.labels[counts.label[row] - 1] for row in labelled}))
    return parts
