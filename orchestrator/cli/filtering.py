"""`defectory filter`: verdicts on synthetic images."""

from typing import TYPE_CHECKING, Annotated

import typer

from defectory.job_settings.filtering import Filtering
from orchestrator.cli.options import (
    AsJson,
    Store,
    Verbose,
    content_of,
    dataset_uri,
    derived_request_id,
    new_name,
    opened,
    session,
    store_url,
)  # fmt: skip
from orchestrator.cli.output import emit, in_lines
from orchestrator.cli.setting_options import with_settings

if TYPE_CHECKING:
    from defectory.api.filter.v1.filter_pb2 import FilterImagesResponse


@with_settings({"label_thresholds": "label_threshold", "label_lower_thresholds": "label_lower_threshold"})
def filter_images(
    dataset: Annotated[str, typer.Argument(help="Synthetic dataset, by name or by its manifest's URI.")],
    real: Annotated[str, typer.Option("--real", help="Dataset of the real images.")],
    judge: Annotated[str, typer.Option("--judge", help="Classifier that judges: train it with --folds.")],
    out: Annotated[str, typer.Option("--out", metavar="NAME", help="Name of the dataset to write.", callback=new_name)],
    filtering: Filtering,
    verbose: Verbose = False,
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """Give every synthetic image a verdict with its reasons.

    The judge should not be the classifier that is compared later, and no cycle of it should know all real images.

    \b
    defectory classifier train screws --name screws-judge --cycles 3 --folds 3
    defectory filter more-screws --real screws --judge screws-judge --out good-screws --threshold 0.9
    defectory filter more-screws --real screws --judge screws-judge --out good-screws --label-threshold defect=0.7
    """
    from defectory.api.filter.v1 import filter_pb2
    from defectory.job_settings.messages import fill
    from defectory.models import resolve
    from orchestrator.pipeline.methods import FILTER_IMAGES

    store_ = opened(store)
    manifest_uri, real_uri = dataset_uri(store_, dataset), dataset_uri(store_, real)
    request = filter_pb2.FilterImagesRequest(
        manifest_uri=manifest_uri, real_manifest_uri=real_uri,
        judge_model="/".join(resolve(store_, "classifier", judge)), dataset=out,
    )  # fmt: skip
    request = fill(request, filtering)
    contents = content_of(store_, manifest_uri), content_of(store_, real_uri)
    request.request_id = derived_request_id("filter", *contents, request)
    with session(store_url(store), verbose=verbose) as services, services.step(f"filter {dataset}"):
        filtered = services.clients.operate(FILTER_IMAGES, request, services.report)
    result = {
        "dataset": out, "manifest_uri": filtered.manifest_uri,
        "content_hash": content_of(store_, filtered.manifest_uri),
        "counts": dict(filtered.verdicts), "reasons": dict(filtered.reasons), "curve_uri": filtered.curve_uri,
        "warnings": list(filtered.warnings),
    }  # fmt: skip
    emit(result, as_json, _in_words(out, filtered))


def _in_words(dataset: str, filtered: "FilterImagesResponse") -> str:
    """How many were accepted and rejected, why, and what to know of that."""
    from orchestrator.report.lineage import REASONS

    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in sorted(filtered.verdicts.items()))
    reasons = [f"{count}: {REASONS.get(reason, reason)}" for reason, count in sorted(filtered.reasons.items())]
    lines = {
        "dataset": dataset,
        "verdicts": verdicts,
        "rejected": "; ".join(reasons) or "none",
        "by threshold": filtered.curve_uri,
        "manifest": filtered.manifest_uri,
    }
    return "\n".join([in_lines(lines), *(f"! {text}" for text in filtered.warnings)])
