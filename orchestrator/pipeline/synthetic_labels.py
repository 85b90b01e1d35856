"""Which labels get synthetic images, from which of them the others' generators start, and how many are wanted."""

from collections.abc import Sequence

from defectory.errors import InvalidInput
from orchestrator.pipeline.outputs import INGEST
from orchestrator.pipeline.settings import PipelineSettings
from orchestrator.pipeline.step import StepInputs


def labels_of(context: StepInputs) -> list[str]:
    """Labels that get a generator.

    Raises:
        InvalidInput: the settings name a label that no training image has.
    """
    return check_labels_of(context.settings, sorted(context.outputs[INGEST].counts.get("train", {})))


def check_labels_of(settings: PipelineSettings, present: Sequence[str]) -> list[str]:
    """Labels that get a generator, of those that training images have; defects are set into real good parts.

    Raises:
        InvalidInput: the settings name another one.
    """
    wanted = learnt_of(settings, present)
    unknown = sorted({*wanted, *settings.synthesis.quotas, *settings.generator.initial_models} - set(present))
    if unknown:
        right = f"the training images have {', '.join(present)}"
        raise InvalidInput(
            f"there are no training images of {', '.join(unknown)}: {right}", {"generator.labels": right}
        )
    return wanted


def learnt_of(settings: PipelineSettings, present: Sequence[str]) -> list[str]:
    """The labels that the settings name, else all: without good parts where defects are set into real ones."""
    sets_in, good = settings.generator.view == "defect", settings.classifier.good_label
    return list(settings.generator.labels or [label for label in present if not (sets_in and label == good)])


def start_label(context: StepInputs) -> str:
    """The label that is trained first and that the others start from; empty: each starts from nothing.

    Few images of a defect do not show what a part looks like; the many of good ones do.
    """
    labels, wanted = labels_of(context), context.settings.generator.start_label
    check_start_label(context.settings, labels)
    if wanted != "auto":
        return wanted
    counts = context.outputs[INGEST].counts["train"]
    return max(labels, key=lambda label: counts[label])


def check_start_label(settings: PipelineSettings, labels: Sequence[str]) -> None:
    """InvalidInput where the label that the others shall start from gets no generator."""
    wanted = settings.generator.start_label
    if wanted and wanted != "auto" and wanted not in (settings.generator.labels or labels):
        right = f"use auto, nothing, or one of {', '.join(labels)}"
        raise InvalidInput(f"start_label {wanted!r} gets no generator: {right}", {"generator.start_label": right})


def quota(context: StepInputs, label: str) -> int:
    """Accepted images wanted of a label."""
    return context.settings.synthesis.quotas.get(label, context.settings.synthesis.quota)
