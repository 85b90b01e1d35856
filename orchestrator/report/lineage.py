"""What an image of a run came from, and what was decided about it: for who clicks on it, and as a table."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from defectory.datasets.manifest_line import ManifestLine
from orchestrator.defects.setting import EMPTY, NO_PLACE
from orchestrator.report.charts import Row
from orchestrator.report.documents import NoveltyLimits

REASONS = {
    "confidence": "the judge was not sure that it shows what it should",
    "near_copy": "copies a training image",
    "near_duplicate": "shows the same as another synthetic image",
    "outlier": "unlike every real image (artefact or blend)",
    EMPTY: "its mask is empty: it shows no defect",
    NO_PLACE: "its defect fits into no good part",
    "unreadable": "the file could not be read",
}
ORIGINS = {"real": "photograph", "edited": "edited photograph", "synthetic": "synthetic"}
SHORT = 12  # hexadecimal digits by which a picture is named to people


@dataclass(frozen=True)
class Deciders:
    """Who and what decided about synthetic images.

    Attributes:
        judge: "name/version"; empty where none was trained. people: sha256 -> the image's line as people left it.
        limits: label -> from where on the novelty gate rejected; without labels that nobody knows it of.
        labels: sha256 -> a photograph's label.
    """

    judge: str
    people: Mapping[str, ManifestLine]
    limits: Mapping[str, NoveltyLimits] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)


def facts_of(line: ManifestLine, deciders: Deciders) -> Iterator[tuple[str, str]]:
    """(what, in words) of an image: what it is, what it was made from and by, and how it was judged."""
    yield "image", f"{ORIGINS[line.origin.kind]}, {line.file.width} × {line.file.height} px"
    yield "shows", ", ".join(dict.fromkeys([line.label, *filter(None, [line.kind]), *line.kinds]))
    if line.split != "none":
        yield "used for", line.split
    yield from _origin(line)
    yield from _judgement(line, deciders)
    yield "sha256", line.file.sha256


def relatives_of(line: ManifestLine, labels: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """(what, sha256) of the images that its line names.

    Args:
        labels: sha256 -> a photograph's label.
    """
    for parent in line.origin.parents:
        yield "made from", parent
    if line.judgement.nearest_real:
        label = labels.get(line.judgement.nearest_real, "")
        of_it = f", which shows {label}" if label else ""
        yield f"most alike in pixels of all photographs trained on{of_it}", line.judgement.nearest_real
    if line.judgement.duplicate_of:
        yield "shows the same as", line.judgement.duplicate_of


def lineage_row(line: ManifestLine, deciders: Deciders) -> Row:
    """The same as a row of a table; every image's has the same columns."""
    edit, drawn, judged = line.origin.edit, line.synthesis, line.judgement
    decided = deciders.people.get(line.file.sha256)
    return {
        "sha256": line.file.sha256,
        "label": line.label,
        "kinds": " ".join(line.kinds or filter(None, [line.kind])),
        "split": line.split,
        "origin": line.origin.kind,
        "source": line.origin.source,
        "parents": " ".join(line.origin.parents),
        "generator": drawn.generator if drawn else "",
        "seed": drawn.seed if drawn else None,
        "psi": drawn.truncation_psi if drawn else None,
        "recipe": json.dumps(edit.recipe, sort_keys=True) if edit and edit.recipe else "",
        "editor": edit.editor if edit else "",
        "person": edit.person if edit else "",
        "judge": deciders.judge if judged.scores else "",
        "score": judged.scores.get(line.label) if judged.scores else None,
        "nearest_real": judged.nearest_real,
        "nearest_real_distance": judged.nearest_real_distance,
        "feature_distance": judged.feature_distance,
        "verdict": judged.verdict,
        "reasons": " ".join(judged.reasons),
        "reviewer": decided.judgement.reviewer if decided else "",
        "reviewed": decided.judgement.verdict if decided else "",
        "reviewed_label": decided.label if decided else "",
    }


def _origin(line: ManifestLine) -> Iterator[tuple[str, str]]:
    if line.origin.source:
        yield "file", line.origin.source
    if line.origin.tile:
        left, top, side = line.origin.tile
        yield "of it", f"the square of {side} px at {left}, {top}"
    if line.origin.augmentation:
        yield "copy", line.origin.augmentation
    if line.group:
        yield "part", line.group
    if (synthesis := line.synthesis) is not None:
        if synthesis.generator:
            yield "made by", synthesis.generator
        known = {
            "seed": synthesis.seed,
            "truncation psi": synthesis.truncation_psi,
            "noise": synthesis.noise_mode or None,
        }
        if how := ", ".join(f"{name} {value}" for name, value in known.items() if value is not None):
            yield "drawn with", how
    if (edit := line.origin.edit) is not None:
        if edit.recipe:
            yield "edited by recipe", json.dumps(edit.recipe, sort_keys=True)
        if by := " with ".join(filter(None, [edit.person, edit.editor])):
            yield "edited by hand", by


def _likeness(line: ManifestLine, deciders: Deciders) -> Iterator[tuple[str, str]]:
    """How near it comes to the photographs, in pixels and in features, and what would be too near or too far."""
    judged, limits = line.judgement, deciders.limits.get(line.label)
    counts = line.origin.edit is None  # a defect set into a photograph is like that photograph because it is to be
    if judged.nearest_real_distance is not None:
        said = f"correlation {1 - judged.nearest_real_distance:.2f}"
        if limits and counts:
            said += f"; from {limits.copy_correlation:.2f} on it counts as a copy"
        yield "likeness in pixels to the photograph most alike, of any label", said
    if judged.feature_distance is not None:
        said = f"{judged.feature_distance:.4f} (0 the same, 2 opposite)"
        if limits and counts and limits.copy_feature_distance:
            said += f"; below {limits.copy_feature_distance:.4f} to one of any label it counts as a copy"
        far = limits.outlier_feature_distance.get(line.label) if limits else None
        if far is not None:
            said += f"; beyond {far:.4f} as an outlier"
        yield f"distance in the judge's features to the nearest photograph of {line.label}", said


def _judgement(line: ManifestLine, deciders: Deciders) -> Iterator[tuple[str, str]]:
    judged = line.judgement
    if judged.scores:
        scores = ", ".join(f"{label} {p:.1%}" for label, p in sorted(judged.scores.items(), key=lambda x: -x[1]))
        yield f"judge {deciders.judge}".strip(), scores
    yield from _likeness(line, deciders)
    if judged.verdict:
        why = "; ".join(REASONS.get(reason, reason) for reason in judged.reasons)
        yield "filter", f"{judged.verdict}: {why}" if why else judged.verdict
    decided = deciders.people.get(line.file.sha256)
    if decided is not None and decided.judgement.reviewer:
        other = f", as {decided.label}" if decided.label != line.label else ""
        yield f"reviewed by {decided.judgement.reviewer}", f"{decided.judgement.verdict}{other}"
