"""Both arms' heat beside the masks: every cycle's own weights, paired by seed, intervals as SciPy's."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.bundle import put_classifier
from bench.heat_arms import Arm, compare_heat, read_arms, table
from defectory.datasets.manifest import write_dataset
from defectory.datasets.manifest_line import ManifestLine, MaskFile, PictureFile, Split
from defectory.errors import FailedPrecondition
from defectory.imaging import encode_png
from defectory.storage import ObjectStore, open_store
from orchestrator.pipeline.outputs import Ingested, Output, TrainedArm
from orchestrator.pipeline.run_record import RecordedPipeline, RunRecord, StepRecord
from services.classifier.bundle import put_weights, weights_bytes
from services.classifier.card import CycleCard
from services.classifier.cards import write_card
from services.classifier.model import Network, build
from services.explainer.cam import Cam
from services.explainer.localisation import THRESHOLDS, Localisation

SIZE = 96
MASK = np.zeros((SIZE, SIZE), np.uint8)
MASK[:40, 20:70] = 255
MASKED_TEST = [1, 2, 3]


def put_cycles(store: ObjectStore, name: str, seeds: tuple[int, ...], drawn: int) -> dict[int, float]:
    """A classifier of several cycles with heads of their own; seed -> mean share of the heat on the test's defects."""
    card = put_classifier(store, name, input_px=SIZE)
    network, random = build(card.architecture), np.random.default_rng(drawn)
    cycles, expected = [], {}
    for number, seed in enumerate(seeds):
        for layer in ("dense", "probabilities"):
            kernel = network.top.get_layer(layer).kernel
            kernel.assign(random.normal(size=kernel.shape))
        weights = put_weights(store, card.prefix, f"cycle-{number}.safetensors", weights_bytes(network))
        cycles.append(CycleCard(seed=seed, best_epoch=1, weights=weights))
        expected[seed] = inside(network, MASKED_TEST)
    write_card(store, card.model_copy(update={"cycles": tuple(cycles)}))
    return expected


def inside(network: Network, images: list[int]) -> float:
    """Mean share of the heat on the defect, enlarged and summed beside the code under test."""
    shares = []
    for heat in Cam(network).heats(np.stack([pixels(i) for i in images]), np.zeros(len(images), np.int32)).heat:
        large = np.asarray(Image.fromarray(heat).resize((SIZE, SIZE), Image.Resampling.BILINEAR))
        shares.append(large[MASK > 127].sum() / large.sum() if large.sum() else 0)
    return float(np.mean(shares))


def put_image(store: ObjectStore, number: int, split: Split, masked: bool) -> ManifestLine:
    """A picture of noise."""
    data = encode_png(pixels(number))
    store.put(f"images/{number}.png", data)
    store.put("masks/one.png", encode_png(Image.fromarray(MASK)))
    return ManifestLine(
        file=PictureFile(
            uri=store.uri(f"images/{number}.png"), sha256=hashlib.sha256(data).hexdigest(), width=SIZE, height=SIZE
        ),
        mask=MaskFile(uri=store.uri("masks/one.png")) if masked else None,
        split=split,
        label="defect" if masked else "good",
    )


def pixels(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return open_store(f"file://{tmp_path}/store")


def finish(store: ObjectStore, step: str, output: Output) -> None:
    RunRecord(store, "r").finish(StepRecord[Output](step=step, input_hash="", started="", finished="", outputs=output))


def ingested(manifest_uri: str) -> Ingested:
    return Ingested(
        dataset="d", manifest_uri=manifest_uri, content_hash="", counts={}, images=5, labels=[], skipped=[], source={},
        bits=16,
    )  # fmt: skip


def classifier(name: str) -> TrainedArm:
    return TrainedArm(
        name=name, version="1", weights_sha256="", metrics_uri="", card_uri="", initial_weights="", steps_per_epoch=1
    )


def test_every_cycle_of_both_arms_is_scored_with_its_own_weights(store: ObjectStore) -> None:
    masked = [put_image(store, number, "test", masked=True) for number in MASKED_TEST]
    others = [put_image(store, 4, "test", masked=False), put_image(store, 5, "train", masked=True)]
    pipeline = RecordedPipeline(name="r", preset="", settings={}, contract_version=1, versions={})
    RunRecord(store, "r").write_pipeline(pipeline)
    finish(store, "ingest", ingested(write_dataset(store, "d", masked + others, {})))
    expected = [put_cycles(store, "a", (0, 1), drawn=0), put_cycles(store, "b", (1, 0), drawn=1)]  # in another order
    finish(store, "baseline", classifier("a"))
    with pytest.raises(FailedPrecondition, match="'expanded'"):
        read_arms(store, "r", "grad-cam")
    finish(store, "expanded", classifier("b"))

    (first, second), groups = read_arms(store, "r", "grad-cam")
    moved = compare_heat(first, second, groups)

    assert len({round(share, 2) for one in expected for share in one.values()}) == 4  # or nothing is proved
    for arm in (0, 1):
        row = moved.arms[arm][1]
        values = [expected[arm][seed] for seed in (0, 1)]
        assert (row.mean, *row.singles) == pytest.approx((np.mean(values), *values), abs=1e-4)
        assert row.low is row.high is None  # two cycles give no interval
    paired = [expected[1][seed] - expected[0][seed] for seed in (0, 1)]
    over = moved.over_cycles[1]
    assert (over.mean, *over.singles) == pytest.approx((np.mean(paired), *paired), abs=1e-4)
    assert (moved.images, moved.parts, moved.pairs, moved.cells) == (3, 3, 2, (3, 3))
    assert moved.chance[1] == pytest.approx((MASK > 127).mean())
    assert "cannot tell" in moved.sentence  # of three images


def arm(shares: dict[int, list[float]], cells: int = 7) -> Arm:
    """Scores by hand: a cycle's share of the heat on each image's defect."""
    by_seed = {
        seed: [Localisation(s > 0.5, 0.2, s, 0.1, np.full(len(THRESHOLDS), s), s == 0) for s in row]
        for seed, row in shares.items()
    }
    return Arm("m", "m/1", by_seed, (cells, cells), cells * 32)


def shares(mean: float, cycles: int = 3, images: int = 20) -> dict[int, list[float]]:
    random = np.random.default_rng(int(mean * 100))
    return {seed: list(random.uniform(mean - 0.05, mean + 0.05, images)) for seed in range(cycles)}


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (arm(shares(0.2)), arm(shares(0.4)), "moved the heat onto the defect (+2"),
        (arm(shares(0.4)), arm(shares(0.2)), "moved the heat off the defect (-"),
        (arm(shares(0.2)), arm({0: [0.1] * 20, 1: [0.5] * 20, 2: [0.1] * 20}), "cannot tell"),  # seeds disagree
        (arm(shares(0.2, cycles=1)), arm(shares(0.4, cycles=1)), "cannot tell"),  # one cycle
        (arm(shares(0.2, images=5)), arm(shares(0.4, images=5)), "cannot tell"),  # few images
        (arm(shares(0.2)), arm(shares(0.2)), "left the heat where it was"),
        (arm(shares(0.2), cells=2), arm(shares(0.4), cells=2), "2×2 cells only"),
    ],
)
def test_what_is_said(first: Arm, second: Arm, said: str) -> None:
    images = len(next(iter(first.cycles.values())))
    assert said in compare_heat(first, second, [str(i) for i in range(images)]).sentence


def test_parts_are_drawn_and_not_photographs() -> None:
    first, second = arm({0: [0.2] * 20, 1: [0.2] * 20}), arm({s: [0.1] * 10 + [0.6] * 10 for s in (0, 1)})
    alone = compare_heat(first, second, [str(i) for i in range(20)])
    two = compare_heat(first, second, [str(i // 10) for i in range(20)])
    assert alone.over_parts[1].mean == two.over_parts[1].mean == pytest.approx(0.15)
    assert (two.over_parts[1].low, two.over_parts[1].high) == pytest.approx((-0.1, 0.4))  # either part twice
    assert two.over_parts[1].low < alone.over_parts[1].low < 0.15 < alone.over_parts[1].high < two.over_parts[1].high
    # Boxes: all meet by 0.6 on half of the images, so 0.3 and 0.5 are met by half, 0.7 by none.
    assert two.over_cycles[2].mean == pytest.approx(1 / 3)
    assert [len(row) for row in table(two)] == [5] * 5
    assert table(two)[0][1:] == ["0.0", "20.0", "0.0", "0.0"]


def test_images_without_heat_are_counted() -> None:
    moved = compare_heat(arm({0: [0, 0, 0.2, 0.2], 1: [0] * 4}), arm({0: [0.2] * 4, 1: [0.2] * 4}), list("abcd"))
    assert [row[3].mean for row in moved.arms] == [0.75, 0]
    assert moved.over_cycles[3].mean == -0.75


def test_cycles_without_a_common_seed_cannot_be_paired() -> None:
    with pytest.raises(FailedPrecondition, match="share no cycle's seed"):
        compare_heat(arm({0: [0.2]}), arm({1: [0.2]}), ["0"])
