"""Collects what a run left in the store, for the report's page and for result pages."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from defectory.datasets.manifest import ManifestLine, read_manifest
from defectory.datasets.pictures import picture_of
from defectory.errors import DefectoryError, FailedPrecondition, NotFound
from defectory.settings import reading_from_environment
from defectory.storage.store import ObjectStore
from orchestrator.report.comparison import Comparison, compare

NEEDED = ("ingest", "baseline", "baseline-evaluate", "expanded", "expanded-evaluate")
OPTIONAL = ("generators", "filter", "expanded-dataset", "explain")
SHEET_IMAGES = 24
REASONS = {
    "confidence": "the judge was not sure that it shows what it should",
    "near_copy": "copies a training image",
    "near_duplicate": "shows the same as another synthetic image",
    "outlier": "unlike every real image (artefact or blend)",
    "unreadable": "the file could not be read",
}


@dataclass(frozen=True)
class RunContent:
    """A run as the report tells it."""

    run: str
    pipeline: dict[str, Any]
    steps: dict[str, dict[str, Any]]  # step -> its outputs
    metrics: dict[str, dict[str, Any]]  # arm -> metrics.json
    reliability: dict[str, bytes]  # arm -> reliability.svg, before and after the temperature
    comparison: Comparison
    decisions: dict[str, dict[str, Any]]  # arm -> what its main cycle decided on the test images (evaluation.json)
    real: list[ManifestLine]
    judged: dict[str, list[ManifestLine]]  # label -> every synthetic image with its verdict
    curves: dict[str, dict[str, Any]]  # label -> threshold curve over all its rounds
    explanations: list[dict[str, Any]]
    heat: dict[str, Any]  # summary.json of the explanations: where the heat lies; empty without any

    def splits(self) -> list[str]:
        """The splits that both arms were measured on after every epoch."""
        first = self.metrics["real only"]["cycles"][0]["epochs"][0]
        return [split for split in ("validation", "test") if split in first]

    def reasons(self) -> dict[str, dict[str, int]]:
        """label -> {"made", "accepted", reason: rejected images}."""
        table = {}
        for label, lines in self.judged.items():
            counts = Counter(reason for line in lines for reason in line.reasons)
            table[label] = {
                "made": len(lines), "accepted": sum(x.verdict == "accepted" for x in lines), **counts,
            }  # fmt: skip
        return table


def read_run(store: ObjectStore, run: str) -> RunContent:
    """Read everything a report needs.

    Raises:
        NotFound: no such run. FailedPrecondition: a step that the report needs has not finished.
    """
    try:
        pipeline = json.loads(store.get(f"runs/{run}/pipeline.json"))
    except NotFound:
        raise NotFound(f"there is no run {run!r} in {store.url}; `defectory run` makes one") from None
    steps = {}
    for step in (*NEEDED, *OPTIONAL):
        key = f"runs/{run}/steps/{step}.json"
        if store.exists(key):
            steps[step] = json.loads(store.get(key))["outputs"]
        elif step in NEEDED:
            raise FailedPrecondition(f"run {run!r} has not finished its step {step!r}; `defectory run` goes on with it")

    def document(uri: str) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(store.get(store.key(uri)))
        return content

    judged, threshold_curves = {}, {}
    for label, made in steps.get("filter", {}).items():
        judged[label] = [
            x for r in made["rounds"] for x in read_manifest(store, r["manifest_uri"], reading_from_environment())
        ]
        if made["rounds"]:
            threshold_curves[label] = whole_curve(document(made["rounds"][0]["curve_uri"]), judged[label])
    arms = {"real only": steps["baseline"]["metrics_uri"], "real + synthetic": steps["expanded"]["metrics_uri"]}
    evaluations = [document(steps[f"{step}-evaluate"]["evaluation_uri"]) for step in ("baseline", "expanded")]
    explanations, heat = [], {}
    if "explain" in steps:
        heat = document(steps["explain"]["summary_uri"])
        data = store.get(store.key(steps["explain"]["explanations_uri"]))
        explanations = [json.loads(line) for line in data.splitlines()]
    return RunContent(
        run=run,
        pipeline=pipeline,
        steps=steps,
        metrics={arm: document(uri) for arm, uri in arms.items()},
        reliability=_beside(store, arms, "reliability.svg"),
        comparison=compare(*evaluations),
        decisions={arm: x["decisions"] for arm, x in zip(arms, evaluations, strict=True) if "decisions" in x},
        real=read_manifest(store, steps["ingest"]["manifest_uri"], reading_from_environment()),
        judged=judged,
        curves=threshold_curves,
        explanations=explanations,
        heat=heat,
    )


def whole_curve(first: Mapping[str, Any], lines: Sequence[ManifestLine]) -> dict[str, Any]:
    """The first round's threshold curve, with what every threshold would keep of the images of all rounds.

    Args:
        lines: judged, with their scores.
    """
    kept = {}
    for label in first["kept"]:
        p = np.array([line.scores[label] for line in lines if line.label == label and line.scores])
        kept[label] = [float((p >= t).mean()) for t in first["thresholds"]] if len(p) else []
    return {**first, "kept": kept}


def _beside(store: ObjectStore, arms: Mapping[str, str], name: str) -> dict[str, bytes]:
    """The file of this name beside each arm's metrics.json; an arm without one is left out."""
    keys = {arm: f"{store.key(uri).rpartition('/')[0]}/{name}".lstrip("/") for arm, uri in arms.items()}
    return {arm: store.get(key) for arm, key in keys.items() if store.exists(key)}


def some_images(store: ObjectStore, lines: list[ManifestLine], count: int = SHEET_IMAGES) -> list[bytes]:
    """The files of at most `count` lines, spread evenly over them; one that cannot be read is left out."""
    step = max(1, len(lines) // count)
    found = []
    for line in lines[::step][:count]:
        try:
            found.append(picture_of(store, line))
        except DefectoryError:
            continue  # a sheet of the others is still worth looking at
    return found
