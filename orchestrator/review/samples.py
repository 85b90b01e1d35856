"""Random samples that somebody has decided about as a whole, beside the journals: by whom, of which view."""

import hashlib

from pydantic import BaseModel, ConfigDict

from defectory.storage.store import ObjectStore
from orchestrator.pipeline.outputs import SampleReview
from orchestrator.review.decided import Decided
from orchestrator.review.rows import Rows
from orchestrator.review.statistics import OfSample, of_sample
from orchestrator.review.subject import Subject
from orchestrator.review.views import ViewQuery, view

NOT_OF_A_SAMPLE = {"mine": "", "reviewer": (), "differ": False, "sort": "order"}  # what anybody decided, and the order


class KeptSample(BaseModel):
    """A sample that can be drawn again. generation: of the pictures that it was drawn from."""

    model_config = ConfigDict(frozen=True)

    by: str
    generation: str
    query: ViewQuery


def keep_sample(store: ObjectStore, subject: Subject, rows: Rows, by: str, query: ViewQuery, figures: OfSample) -> None:
    """Keep a sample once all of it is decided; one that is kept already is not written again."""
    if not figures.size or figures.decided < figures.size:
        return
    kept = KeptSample(by=by, generation=rows.generation, query=query.model_copy(update=NOT_OF_A_SAMPLE))
    document = kept.model_dump_json().encode()
    key = f"{_folder(subject.datasets[0].name)}{hashlib.sha256(document).hexdigest()[:16]}.json"
    if not store.exists(key):
        store.put(key, document)


def sample_keys(store: ObjectStore, dataset: str) -> list[str]:
    """Keys of a dataset's samples; they never change."""
    return [info.key for info in store.list(_folder(dataset))]


def sample_results(store: ObjectStore, subject: Subject, rows: Rows, decided: Decided) -> list[SampleReview]:
    """What came of a subject's samples; of other pictures' none."""
    keys = sample_keys(store, subject.datasets[0].name) if subject.datasets else []
    samples = [KeptSample.model_validate_json(store.get(key)) for key in keys]
    return [_result(one, rows, decided) for one in samples if one.generation == rows.generation]


def _result(sample: KeptSample, rows: Rows, decided: Decided) -> SampleReview:
    me, query = decided.reviewer(sample.by), sample.query
    figures = of_sample(me, view(rows, query, me, []))
    filters = query.model_dump(exclude={*NOT_OF_A_SAMPLE, "sample", "seed", "label"}, exclude_defaults=True)
    return SampleReview(
        by=sample.by,
        labels=list(query.label),
        filters={name: ", ".join(x) if isinstance(x, tuple) else str(x) for name, x in filters.items()},
        of=len(view(rows, query.model_copy(update={"sample": 0}), me, [])),
        **figures.model_dump(),
    )


def _folder(dataset: str) -> str:
    return f"datasets/{dataset}/review-samples/"
