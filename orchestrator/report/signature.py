"""What somebody signs for: the models, the dataset and the run that a report is of, each by what cannot change."""

from collections.abc import Iterator

from orchestrator.pipeline.outputs import GENERATORS, JUDGE, Model
from orchestrator.report.content import RunContent


def signed_rows(content: RunContent) -> Iterator[tuple[str, str, str]]:
    """(what, its name and version, sha256 of its weights or of its content)."""
    yield "photographs", content.ingested.dataset, content.ingested.content_hash
    for arm in content.arms:
        yield f"classifier, {arm.title}", *_model(arm.trained)
    if JUDGE in content.outputs:
        yield "judge", *_model(content.outputs[JUDGE])
    if GENERATORS in content.outputs:
        for label, generator in content.outputs[GENERATORS].trained.items():
            yield f"generator, {label}", *_model(generator)


def _model(model: Model) -> tuple[str, str]:
    return model.full_name, model.weights_sha256
