"""Before a run: what is at hand, what would run, what speaks against it, and how long it takes."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from defectory.datasets.layouts.summary import label_of, summarise
from defectory.storage.store import ObjectStore
from orchestrator.pipeline.checks import Concern, concerns
from orchestrator.pipeline.data_steps import check_good, check_labels, recognised
from orchestrator.pipeline.durations import durations, expected_counts
from orchestrator.pipeline.estimate import Estimate, estimate
from orchestrator.pipeline.line import line_of
from orchestrator.pipeline.outputs import INGEST, Counts
from orchestrator.pipeline.plan import Decision, make_plan
from orchestrator.pipeline.run_record import RunRecord
from orchestrator.pipeline.settings import PipelineSettings


@dataclass(frozen=True)
class Preview:
    """What is known of a run before it starts.

    Attributes:
        source: what was recognised at the photographs; see `layouts.summary.summarise`.
        counts: split -> label -> images: as ingested where they were, else as the shares give them.
    """

    source: Mapping[str, JsonValue]
    counts: Counts
    plan: list[Decision]
    concerns: list[Concern]
    estimate: Estimate


def preview(
    store: ObjectStore, settings: PipelineSettings, *, first: str, weights: str, weights_content: str
) -> Preview:
    """Look at everything that seconds are enough for.

    Args:
        first: step from which everything is forced; empty: none.
        weights: file that a person named, "starter", or empty. weights_content: what stands for it in a step's inputs.

    Raises:
        InvalidInput, NotFound: there are no photographs that a line can be run on.
    """
    source = recognised(settings.data)
    summary = summarise(source, settings.data.labels)
    check_labels(summary["becomes"], 2)
    if not source.good:
        check_good(summary["becomes"], settings.classifier.good_label)
    record = RunRecord(store, settings.name)
    line = line_of(settings.arms, settings.edits)
    plan = make_plan(line, settings, record, store, first=first, weights=weights_content)
    labels = Counter(label_of(file.label, source.good, settings.data.labels) for file in source.files)
    counts = expected_counts(labels, settings)
    ingested = record.step(INGEST)
    if ingested is not None and plan[0].action == "skip":
        counts = ingested.outputs.counts
    return Preview(
        summary,
        counts,
        plan,
        concerns(store, settings, source, counts, weights),
        estimate(store, settings, durations(settings, counts), line, plan),
    )
