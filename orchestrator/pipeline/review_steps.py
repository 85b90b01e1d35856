"""The step that takes people's decisions into the line, between the filter and the arms that train on what it kept."""

from defectory.datasets.manifest import dataset_of_manifest
from orchestrator.pipeline.outputs import FILTER, INGEST, Reviewed
from orchestrator.pipeline.step import Inputs, StepContext, StepInputs


def review_inputs(context: StepInputs) -> Inputs:
    """What the filter judged, and the journals over it, whose objects never change; none where nobody asks them."""
    filtered = context.outputs[FILTER]
    known: Inputs = {"judged": {label: [one.content_hash for one in of.rounds] for label, of in filtered.root.items()}}
    if not context.settings.review:
        return known
    from orchestrator.review.blind import blind_keys
    from orchestrator.review.journal import journal_keys
    from orchestrator.review.samples import sample_keys
    from orchestrator.review.subject import judged_uris

    datasets = [dataset_of_manifest(context.store, uri) for uri in judged_uris(filtered)]
    keys = sorted(
        key
        for dataset in datasets
        for keys_of in (journal_keys, blind_keys, sample_keys)
        for key in keys_of(context.store, dataset)
    )
    return {**known, "decisions": keys} if keys else known


def review(context: StepContext) -> Reviewed:
    """Write down what counts of all reviews; nothing where there are none, or they are not wanted."""
    if not context.settings.review:
        return Reviewed()
    from orchestrator.review.blind import blind_results
    from orchestrator.review.decided import UNDECIDED, Decided
    from orchestrator.review.folding import write_documents
    from orchestrator.review.rows import rows_of
    from orchestrator.review.samples import sample_results
    from orchestrator.review.statistics import of_reviewer, pairs
    from orchestrator.review.subject import subject_of

    subject = subject_of(context.store, context.run, context.outputs[INGEST], context.outputs[FILTER])
    decided = Decided(context.store, subject)
    reviewers = [one for one in decided.reviewers() if (one.verdict != UNDECIDED).any()]
    rows = rows_of(subject)
    return Reviewed(
        documents=write_documents(context.store, subject, decided),
        reviewers=[of_reviewer(one, rows) for one in reviewers],
        pairs=pairs(reviewers),
        samples=sample_results(context.store, subject, rows, decided),
        blind=blind_results(context.store, subject),
    )
