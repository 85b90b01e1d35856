"""A whole training: manifest in, a complete model version out."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import structlog

from defectory.datasets.manifest import DEFAULT_READING, Reading, content_hash, read_manifest
from defectory.datasets.splits import SPLIT_NAMES
from defectory.job_settings.classifier_training import FoldedCycles
from defectory.models import reserve_version, version_prefix
from defectory.storage.references import unrooted
from defectory.storage.store import ObjectStore
from defectory.versions import installed_version
from services.classifier.acceptance import answers_of, calibrate, draw_line
from services.classifier.appearance import appearance_of
from services.classifier.bundle import load_weights
from services.classifier.card import KIND, ClassifierCard, Estimate, Lineage
from services.classifier.cards import read_card, write_card
from services.classifier.curves import curves_of
from services.classifier.data import Stage, cap_synthetic, lines_of
from services.classifier.golden import record
from services.classifier.model import probabilities
from services.classifier.outcome import decided
from services.classifier.reliability import reliability_svg
from services.classifier.target import parse_target
from services.classifier.training.check import check
from services.classifier.training.cycles import CycleResult, epochs_kept, run_cycle
from services.classifier.training.folds import without_fold
from services.classifier.training.measurement import mean_and_interval
from services.classifier.training.preparation import hold_to_base, prepare
from services.classifier.training.schedule import Schedule
from services.classifier.training.side_by_side import Plan, cycles_at_once, run_cycles

Report = Callable[[str, int, int, Mapping[str, float]], None]  # stage, epochs done, epochs in all, measurements

log = structlog.get_logger(__name__)


def train(
    store: ObjectStore,
    operation_id: str,
    name: str,
    manifest_uri: str,
    values: Mapping[str, Any],
    *,
    cycles: FoldedCycles,
    seed: int,
    sources: Mapping[str, str],
    report: Report,
    reading: Reading = DEFAULT_READING,
) -> ClassifierCard:
    """Train all cycles and write the version's card last.

    Args:
        values: fields of ClassifierTraining, those that differ from their recipe's.
        cycles: how many, and how many of them in processes side by side, which changes no weight.
    """
    version = reserve_version(store, KIND, name, operation_id)
    prefix = version_prefix(KIND, name, version)
    if store.exists(prefix + "model.json"):
        return read_card(store, f"{name}/{version}")
    lines = lines_of(read_manifest(store, manifest_uri, reading), *SPLIT_NAMES)
    labels, settings = check(lines, values, cycles.folds)
    lines = cap_synthetic(lines, settings.synthetic_cap)
    count, images = cycles.cycles, sum(line.split == "train" for line in lines)
    at_once = cycles.at_once or cycles_at_once(settings, images, count)
    total = count * settings.epochs
    done = [epochs_kept(store, prefix, cycle, settings.epochs) for cycle in range(count)]
    again = ", going on from the epochs that are kept" if any(done) else ""
    report(f"reading images{again}", sum(done), total, {})

    def on_epoch(cycle: int, epochs: int, measured: Mapping[str, float]) -> None:
        done[cycle] = epochs
        stage = f"training {count} times" if at_once > 1 else f"training {cycle + 1} of {count}"
        report(stage, sum(done), total, measured)

    if at_once > 1:
        run_cycles(Plan(store.url, prefix, lines, labels, settings, sources, seed), count, at_once, on_epoch)

    def on_features(there: int, of: int) -> None:
        report(f"embedding images, {there} of {of} done", sum(done), total, {})

    prepared = prepare(store, lines, labels, settings, sources, on_features)
    hold_to_base(store, prefix, prepared)
    results = []
    for cycle in range(count):
        parts = without_fold(prepared.parts, cycle, settings.folds)
        results.append(run_cycle(store, prefix, prepared.trainer, parts, settings, cycle, seed + cycle, on_epoch))
    main = _main_cycle(results)
    estimates = _estimates(results)
    lineage = Lineage(
        manifest_uri=manifest_uri,
        content_hash=content_hash(lines),
        images={split: dict(Counter(x.label for x in part.lines)) for split, part in prepared.parts.items()},
        synthetic=dict(Counter(x.label for x in prepared.parts["train"].lines if not x.is_real)),
        initial_weights=prepared.initial_weights,
        initial_weights_sha256=prepared.base_sha256,
        packages={package: installed_version(package) for package in ("tensorflow", "keras", "numpy")},
    )
    network, main_weights = prepared.trainer.network, results[main].card.weights
    load_weights(network, store.get(prefix + main_weights.file), main_weights, main_weights.file)
    stage: Stage = "pooled" if Schedule(settings, images).embeds(settings.epochs - 1) else "pixels"
    validation, test = (
        answers_of(part, prepared.trainer.predict(part.inputs[stage]))
        for part in (prepared.parts[split] for split in ("validation", "test"))
    )
    calibration = calibrate(validation, test)
    store.put(prefix + "reliability.svg", reliability_svg(validation, calibration))
    target = parse_target(settings.target)
    card = ClassifierCard(
        name=name,
        version=version,
        architecture=prepared.trainer.architecture,
        preprocessing=prepared.preprocessing,
        cycles=tuple(r.card for r in results),
        main_cycle=main,
        calibration=calibration,
        operating_point=draw_line(labels, settings.good_label, target, calibration.temperature, validation, test),
        metrics=estimates,
        settings=settings,
        lineage=lineage,
        appearance=appearance_of(store, lines, settings.input_px, prepared.preprocessing),
        golden=record(partial(probabilities, network), prepared.preprocessing, network.model.input_shape[1]),
    )
    metrics = {
        "labels": labels,
        "main_cycle": main,
        "summary": {split: {k: v.model_dump() for k, v in of_split.items()} for split, of_split in estimates.items()},
        "cycles": [{"seed": r.card.seed, "best_epoch": r.card.best_epoch, "epochs": r.epochs} for r in results],
        "images": {split: len(part.lines) for split, part in prepared.parts.items()},
        "decisions": {
            split: decided(card.rule, labels, prepared.parts[split].lines, answers)
            for split, answers in (("validation", validation), ("test", test))
        },
        "curves": {split: curves_of(card.rule, of) for split, of in (("validation", validation), ("test", test))},
        "skipped": prepared.skipped,
    }
    store.put(prefix + "metrics.json", unrooted(json.dumps(metrics).encode(), store))
    write_card(store, card)
    return card


def _main_cycle(results: Sequence[CycleResult]) -> int:
    """The cycle with the best macro-F1 on validation; of equals, the one with the lower loss."""
    best = [result.epochs[result.card.best_epoch - 1]["validation"] for result in results]
    return max(range(len(results)), key=lambda cycle: (best[cycle]["f1"], -best[cycle]["loss"]))


def _estimates(results: Sequence[CycleResult]) -> dict[str, dict[str, Estimate]]:
    best = [result.epochs[result.card.best_epoch - 1] for result in results]
    splits = [split for split in ("train", "validation", "test") if split in best[0]]
    return {
        split: {name: _estimate(name, [e[split][name] for e in best]) for name in best[0][split]} for split in splits
    }


def _estimate(metric: str, values: Sequence[float]) -> Estimate:
    mean, interval = mean_and_interval(metric, values)
    low, high = interval or (None, None)
    return Estimate(mean=mean, low=low, high=high)
