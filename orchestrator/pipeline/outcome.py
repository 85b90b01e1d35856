"""What came of a step, in a few words for the line that it leaves behind."""

from pydantic import BaseModel

from orchestrator.pipeline.outputs import (
    ArmDataset,
    EvaluatedArm,
    Explained,
    Filtered,
    Generators,
    Ingested,
    Reviewed,
    TrainedArm,
    TrainedJudge,
)


def in_words(output: BaseModel) -> str:
    """E.g. "85 photographs (60 good, 25 defect), 78 parts"; empty for what has no figures."""
    match output:
        case Ingested():
            return _ingested(output)
        case ArmDataset():
            synthetic = sum(output.synthetic.values())
            return f"{_total(output.counts.get('train', {}))} training images, {synthetic} of them synthetic"
        case TrainedArm():
            return f"{output.full_name}, started from {output.initial_weights} weights"
        case EvaluatedArm():
            names = {"accuracy": "accuracy", "f1": "macro-F1"}
            return ", ".join(f"{names[name]} {output.metrics[name]:.1%}" for name in names if name in output.metrics)
        case TrainedJudge():
            return f"{output.full_name}, {output.cycles} trainings"
        case Generators():
            seen = [f"{label} after {round(own.kimg * 1000)} images seen" for label, own in output.trained.items()]
            return ", ".join([*seen, *(f"{label} none: {why}" for label, why in output.lacking.items())])
        case Filtered():
            return ", ".join(f"{label} {of.accepted} accepted ({of.quota} wanted)" for label, of in output.root.items())
        case Reviewed() if not output.reviewers:
            return "nobody has, so what the filter accepted goes on"
        case Reviewed():
            return ", ".join(f"{one.name} decided about {one.decided} images" for one in output.reviewers)
        case Explained():
            return f"{output.count} images"
    return ""


def _ingested(output: Ingested) -> str:
    """Photographs by label, and parts. A record of an earlier version knows how many images, not of how many."""
    labels: dict[str, int] = {}
    for split in output.counts.values():
        for label, count in split.items():
            labels[label] = labels.get(label, 0) + count
    by_label = ", ".join(f"{labels[label]} {label}" for label in sorted(labels, key=lambda x: (x != "good", x)))
    if not output.photographs:
        return f"{output.images} images ({by_label})"
    if output.photographs == output.images:
        return f"{output.photographs} photographs ({by_label}), {output.parts} parts{likeness(output)}"
    return (
        f"{output.photographs} photographs, {output.parts} parts{likeness(output)}, {output.images} images ({by_label})"
    )


def likeness(output: Ingested) -> str:
    """What follows a count of parts that nobody named, and where they can be looked at; else empty."""
    if not output.by_likeness:
        return ""
    some = f"{output.by_likeness} of them " if output.by_likeness < output.parts else ""
    return f", {some}found by likeness (`defectory dataset groups {output.dataset}` shows them)"


def _total(labels: dict[str, int]) -> int:
    return sum(labels.values())
