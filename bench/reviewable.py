"""A run whose filter has judged many images, without a real one's hours: for the review page's tests and benchmark.

Its photographs are drawn cables, its synthetic images the same with noise and another light; scores, features and
nearest images are as a filter and its judge would leave them. Nothing of it says how good a generator or a judge is.
"""

import hashlib
import io
import json
from collections.abc import Iterator, Sequence

import numpy as np

from defectory.datasets.manifest import content_hash, image_key, original_key, write_dataset
from defectory.datasets.manifest_line import Judgement, ManifestLine, MaskFile, Origin, PictureFile, Synthesis
from defectory.imaging import encode_png
from defectory.storage.parallel import parallel_put
from defectory.storage.store import ObjectStore
from orchestrator.cables import KINDS, draw_cable
from orchestrator.pipeline.outputs import FILTER, INGEST, JUDGE, Filtered, FilteredLabel, Ingested, Round, TrainedJudge
from orchestrator.pipeline.run_record import RunRecord, StepRecord
from orchestrator.pipeline.runner import resolved_pipeline
from orchestrator.pipeline.settings import resolve

LABELS = ("defect", "good")
FAULTS = [kind for kind in KINDS if kind != "good"]
JUDGE_NAME = "judge"
ISLAND = 6
REASONS = ((), (), (), ("unsure",), ("outlier",), ("copy",))


def write_reviewable(
    store: ObjectStore,
    run: str,
    synthetic: int,
    *,
    photographs: int = 12,
    size_px: int = 64,
    channels: int = 16,
    seed: int = 0,
) -> None:
    """Write a run with judged images into a store.

    Args:
        synthetic: images, of all labels together. photographs: of each label.
        size_px: side of photographs and synthetic images. channels: of the judge's features.
    """
    random = np.random.default_rng(seed)
    real = _photographs(store, run, photographs, size_px, seed)
    lines = [line for line, _ in real]
    manifest_uri = write_dataset(store, run, lines, {})
    filtered, written = {}, []
    for place, label in enumerate(LABELS):
        count = synthetic // len(LABELS) + (place < synthetic % len(LABELS))
        judged = _round(store, f"{run}.{label}.r1", label, [x for x in real if x[0].label == label], count, random)
        written += judged
        uri = write_dataset(store, f"{run}.{label}.r1.judged", judged, {"judged": "drawn"})
        accepted = sum(line.judgement.verdict == "accepted" for line in judged)
        one_round = Round(
            synthetic_manifest_uri=uri, manifest_uri=uri, content_hash=content_hash(judged), verdicts={}, reasons={},
            curve_uri=uri,
        )  # fmt: skip
        filtered[label] = FilteredLabel(rounds=[one_round], quota=max(accepted, 1), accepted=accepted)
    _features(store, lines, written, channels)
    settings = resolve({"name": run, "data": {"directory": "photos"}}, {})
    record = RunRecord(store, run)
    record.write_pipeline(resolved_pipeline(settings))
    ingested = Ingested(
        dataset=run, manifest_uri=manifest_uri, content_hash=content_hash(lines), images=len(lines),
        labels=list(LABELS), skipped=[], source={}, counts={"train": dict.fromkeys(LABELS, photographs)}, bits=8,
    )  # fmt: skip
    judge = TrainedJudge(name=JUDGE_NAME, version="1", weights_sha256="0", cycles=2)
    for key, output in ((INGEST, ingested), (JUDGE, judge), (FILTER, Filtered(filtered))):
        step = StepRecord(step=key.step, input_hash="0", started="", finished="", outputs=output)
        record.finish(step)


def _photographs(
    store: ObjectStore, run: str, photographs: int, size_px: int, seed: int
) -> list[tuple[ManifestLine, np.ndarray]]:
    """Photographs of the labels, one after the other, and their pixels (size, size, 3)."""
    drawn = []
    for label in LABELS:
        for at in range(photographs):
            kind = FAULTS[at % len(FAULTS)] if label == "defect" else "good"
            drawing = draw_cable(seed + 2 * at + (kind == "good"), kind, size_px)
            content = encode_png(drawing.image)
            sha = hashlib.sha256(content).hexdigest()
            key = original_key(run, sha, "png")
            store.put(key, content)
            file = PictureFile(
                uri=store.uri(key), sha256=sha, width=size_px, height=size_px, colour="RGB", fit="stretch"
            )
            mask = _mask(store, run, drawing.mask) if label == "defect" else None
            line = ManifestLine(
                file=file, label=label, split="train", kind="" if kind == "good" else kind, mask=mask,
                origin=Origin(source=f"{label}/{at:03d}.png"),
            )  # fmt: skip
            drawn.append((line, np.asarray(drawing.image)))
    return drawn


def _mask(store: ObjectStore, run: str, pixels: np.ndarray) -> MaskFile:
    content = encode_png(pixels)
    sha = hashlib.sha256(content).hexdigest()
    key = f"datasets/{run}/masks/{sha}.png"
    store.put(key, content)
    return MaskFile(uri=store.uri(key), sha256=sha)


def _round(
    store: ObjectStore,
    prefix: str,
    label: str,
    real: Sequence[tuple[ManifestLine, np.ndarray]],
    count: int,
    random: np.random.Generator,
) -> list[ManifestLine]:
    """A label's judged images, stored; none is like the photographs of an island."""
    lines = []
    near = real[: len(real) - _alone(len(real))]

    def images() -> Iterator[tuple[str, bytes]]:
        for at in range(count):
            line, content = _judged(store, prefix, label, *near[at % len(near)], random, at)
            lines.append(line)
            yield store.key(line.file.uri), content

    parallel_put(store, images())
    return lines


def _judged(
    store: ObjectStore,
    prefix: str,
    label: str,
    nearest: ManifestLine,
    pixels: np.ndarray,
    random: np.random.Generator,
    seed: int,
) -> tuple[ManifestLine, bytes]:
    light, noise = random.uniform(0.75, 1.2), random.normal(0, 9, pixels.shape)
    content = encode_png(np.clip(pixels * light + noise, 0, 255).astype(np.uint8))
    sha = hashlib.sha256(content).hexdigest()
    key = image_key(prefix, sha)
    sure = round(float(random.beta(4, 1.5)), 4)
    reasons = REASONS[int(random.integers(len(REASONS)))]
    judgement = Judgement(
        scores={one: sure if one == label else round(1 - sure, 4) for one in LABELS},
        spread=round(float(random.uniform(0, 0.1)), 4),
        nearest_real=nearest.file.sha256,
        nearest_real_distance=round(float(random.uniform(0.02, 0.6)), 4),
        feature_distance=round(float(random.uniform(0.01, 0.3)), 4),
        verdict="rejected" if reasons or sure < 0.5 else "accepted",
        reasons=reasons or (("unsure",) if sure < 0.5 else ()),
    )
    line = ManifestLine(
        file=PictureFile(uri=store.uri(key), sha256=sha, width=pixels.shape[1], height=pixels.shape[0]),
        label=label,
        origin=Origin(kind="synthetic"),
        synthesis=Synthesis(generator=f"{prefix}/1", seed=seed, truncation_psi=0.7),
        judgement=judgement,
    )
    return line, content


def _features(store: ObjectStore, real: Sequence[ManifestLine], judged: Sequence[ManifestLine], channels: int) -> None:
    """Features as a judge leaves them: of photographs, and of images near theirs, like another one, or like none."""
    random = np.random.default_rng(7)
    of_real: dict[str, np.ndarray] = {}
    for label in LABELS:
        own = [line.file.sha256 for line in real if line.label == label]
        of_real |= {sha: 2 + random.normal(size=channels) for sha in own}
        of_real |= {sha: random.normal(-2, 0.9, channels) for sha in own[len(own) - _alone(len(own)) :]}
    _scored(store, "photographs", real, np.array([of_real[line.file.sha256] for line in real], np.float32))
    rows = np.empty((len(judged), channels), np.float32)
    for at, (row, line) in enumerate(zip(rows, judged, strict=True)):
        if at % 50 == 49:
            row[:] = random.normal(size=channels)
        elif at % 4 == 3:
            row[:] = 2 + random.normal(size=channels)
        else:
            row[:] = of_real[line.judgement.nearest_real] + random.normal(0, 0.4, channels)
    _scored(store, "drawn", judged, rows)


def _alone(photographs: int) -> int:
    """How many photographs of a label are an island that no image is near; none where there are few."""
    return ISLAND if photographs >= 2 * ISLAND else 0


def _scored(store: ObjectStore, name: str, lines: Sequence[ManifestLine], features: np.ndarray) -> None:
    buffer = io.BytesIO()
    np.save(buffer, features, allow_pickle=False)
    folder = f"scores/{JUDGE_NAME}/1/{name}"
    store.put(f"{folder}/embeddings.npy", buffer.getvalue())
    scored = (json.dumps({"sha256": x.file.sha256, "probabilities": {}, "spread": 0.0}) for x in lines)
    store.put(f"{folder}/scores.jsonl", "".join(f"{row}\n" for row in scored).encode())
