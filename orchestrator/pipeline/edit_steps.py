"""The step that makes edited pictures of the training split, by recipe, and takes in those made by hand."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from defectory.api.explainer.v1 import explainer_pb2
from defectory.datasets.manifest import content_hash, manifest_key, read_card, read_manifest, write_dataset
from defectory.datasets.manifest_line import ManifestLine
from defectory.errors import NotMade
from defectory.settings import reading_from_environment
from defectory.storage.store import ObjectStore
from orchestrator.pipeline.clients import ReportCallback, Services
from orchestrator.pipeline.edit_settings import EditSettings
from orchestrator.pipeline.methods import EXPLAIN_IMAGES
from orchestrator.pipeline.outputs import INGEST, Edited, trained
from orchestrator.pipeline.progress import Report
from orchestrator.pipeline.step import Inputs, StepContext, StepInputs

if TYPE_CHECKING:
    from orchestrator.edits.making import Made

BY_HAND = "by hand"


def edits_inputs(settings: EditSettings) -> Callable[[StepInputs], Inputs]:
    """The photographs, the recipe, its seed, and by whose heat defects are found."""

    def inputs(context: StepInputs) -> Inputs:
        known: Inputs = {
            "real": context.outputs[INGEST].content_hash,
            "manifest": context.outputs[INGEST].manifest_uri,
            "settings": settings.model_dump(mode="json", exclude={"for_generators"}),
            "seed": context.settings.seed,
        }
        if settings.around == "heat":
            return {**known, "heat": context.outputs[trained(context.settings.arms[0].name)].identity()}
        return known

    return inputs


def edits(step: str, settings: EditSettings, *, may_lack: bool = False) -> Callable[[StepContext], Edited]:
    """Make edited pictures, and write them and those that are there already as one dataset, named by the step.

    Args:
        may_lack: where not one can be made, hand on none and why; False: that is an error.
    """

    def work(context: StepContext) -> Edited:
        try:
            return _edited(context, step, settings)
        except NotMade as error:
            if not may_lack:
                raise
            context.warn(f"no edit could be made: {error}")
            return Edited(manifest_uri="", content_hash="", counts={}, lacks=str(error))

    return work


def _edited(context: StepContext, step: str, settings: EditSettings) -> Edited:
    from orchestrator.edits.line import recipe_of
    from orchestrator.edits.making import combined

    real_uri = context.outputs[INGEST].manifest_uri
    by_recipe = _by_recipe(context, step, settings) if settings.count else None
    uris = [by_recipe.manifest_uri] if by_recipe else []
    for dataset in settings.datasets:
        read_card(context.store, dataset)
        uris.append(context.store.uri(manifest_key(dataset)))
    lines, left = combined(context.store, real_uri, uris)
    edited = [line for line in lines if line.origin.kind == "edited"]
    if left:
        context.warn(f"{left} edited pictures are left out: what they were made of is not in this run's training split")
    if not edited:
        raise NotMade("no edited picture is left: see edits.datasets and edits.count")
    name = context.name(step)
    card = {"run": context.run, "parents": [context.outputs[INGEST].dataset], "purpose": step}
    return Edited(
        manifest_uri=write_dataset(
            context.store, name, edited, {**card, "seam": by_recipe.seam if by_recipe else None}
        ),
        content_hash=content_hash(edited),
        counts=dict(sorted(Counter(line.label for line in edited).items())),
        by_edit=dict(sorted(Counter(str(recipe_of(x).get("edit", BY_HAND)) for x in edited).items())),
        seam=by_recipe.seam if by_recipe else None,
    )


def _by_recipe(context: StepContext, step: str, settings: EditSettings) -> "Made":
    from orchestrator.edits.heat import without_masks
    from orchestrator.edits.making import edit_by_recipe

    source = context.outputs[INGEST].manifest_uri
    lines: Sequence[ManifestLine] = read_manifest(context.store, source, reading_from_environment())
    name, by_heat = context.name(step, "recipe"), frozenset[str]()
    if settings.around == "heat":
        model = context.outputs[trained(context.settings.arms[0].name)].full_name
        by_heat = frozenset(line.file.sha256 for line in without_masks(lines))
        lines = lines_by_heat(
            context.store, context.services, lines, source, model, name, context.request_id("heat"), context.on_report
        )
    edited = edit_by_recipe(
        context.store, lines, settings, name, source=source, count=settings.count, seed=context.settings.seed,
        by_heat=by_heat, report=_reporting(context.on_report),
    )  # fmt: skip
    for note in edited.notes:
        context.warn(note)
    return edited


def lines_by_heat(
    store: ObjectStore,
    services: Services,
    lines: Sequence[ManifestLine],
    manifest_uri: str,
    model: str,
    dataset: str,
    request_id: str,
    on_report: ReportCallback,
) -> list[ManifestLine]:
    """The lines, with masks of a classifier's heat where training pictures of defects have none; see `heat_masks`.

    Args:
        model: the classifier, "name/version".
        dataset: that the masks are stored in.
        request_id: of the explainer's operation.
    """
    from orchestrator.edits.heat import heat_masks, without_masks

    if not without_masks(lines):
        return list(lines)
    request = explainer_pb2.ExplainImagesRequest(
        request_id=request_id,
        models=[model],
        manifest_uri=manifest_uri,
        split="train",
        limit=min(sum(line.split == "train" for line in lines), 10_000),
        output_prefix=f"edits/{dataset}",
    )
    response = services.operate(EXPLAIN_IMAGES, request, on_report)
    return heat_masks(store, lines, response.explanations_uri, dataset)


def _reporting(on_report: ReportCallback) -> Callable[[int, int], None]:
    return lambda done, total: on_report(Report("editing", done, total, "pictures"))
