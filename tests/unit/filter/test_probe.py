"""The probe: how well a small classifier tells synthetic from real images, whatever their number and their parts."""

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf
from sklearn.metrics import roc_auc_score

from defectory.datasets.manifest import read_manifest, write_dataset
from defectory.datasets.manifest_line import Judgement, ManifestLine, Origin, PictureFile
from defectory.job_settings.filtering import Filtering
from defectory.probe import FOLDS, LEAST, Sample, discriminant, folds, probe
from defectory.storage import ObjectStore, open_store
from services.filter.judging import judge_manifest
from services.filter.policies import Policy
from services.filter.probe import MOST, probe_labels
from services.filter.scores import Scores
from services.filter.verdicts import Score
from tests.contract.datasets import make_dataset

CHANNELS = 24
LABELS = ("good", "defect")
ACCEPTED, NOT_JUDGED = Judgement(verdict="accepted"), Judgement()


def drawn(count: int, seed: int, shift: float = 0.0, per_part: int = 1, inside: float = 0.0) -> Sample:
    """Images of a normal distribution, whose first channel is shifted; of one part they differ by `inside` only."""
    random = np.random.default_rng(seed)
    rows = np.repeat(random.normal(size=(count // per_part, CHANNELS)), per_part, axis=0)
    rows += inside * random.normal(size=rows.shape)
    rows[:, 0] += shift
    return Sample(rows.astype(np.float32), [f"{seed}-{i // per_part}" for i in range(count)])


def test_the_area_is_what_scikit_learn_computes_fold_by_fold() -> None:
    real, synthetic = drawn(60, 1), drawn(90, 2, shift=1.0)
    random = np.random.default_rng(7)
    of_real, of_synthetic = folds(real.parts, random), folds(synthetic.parts, random)
    areas, pairs = [], []
    for fold in range(FOLDS):
        mean, direction = discriminant(real.embeddings[of_real != fold], synthetic.embeddings[of_synthetic != fold])
        tested = np.concatenate([real.embeddings[of_real == fold], synthetic.embeddings[of_synthetic == fold]])
        truth = np.repeat([0, 1], [(of_real == fold).sum(), (of_synthetic == fold).sum()])
        areas.append(roc_auc_score(truth, (tested - mean) @ direction))
        pairs.append((truth == 0).sum() * (truth == 1).sum())
    probed = probe(real, synthetic, seed=7)
    assert probed is not None
    assert probed.auroc == pytest.approx(np.average(areas, weights=pairs), abs=1e-12)
    assert probed.low < probed.auroc < probed.high
    assert (probed.real, probed.synthetic) == (60, 90)


def test_ties_count_half() -> None:
    real, synthetic = drawn(40, 1), drawn(40, 2)
    for sample in (real, synthetic):
        sample.embeddings[:] = 1.0
    probed = probe(real, synthetic)
    assert probed is not None
    assert (probed.auroc, probed.low, probed.high) == (0.5, 0.5, 0.5)


def test_the_classifier_is_linear_discriminant_analysis_with_the_shrinkage_of_ledoit_and_wolf() -> None:
    mixing = np.random.default_rng(0).normal(size=(CHANNELS, CHANNELS))  # channels hang together
    real, synthetic = (drawn(30, seed, shift).embeddings.astype(float) @ mixing for seed, shift in ((3, 0), (4, 2)))
    inside = np.concatenate([real - real.mean(axis=0), synthetic - synthetic.mean(axis=0)])
    deviation = inside.std(axis=0)
    inside /= deviation
    covariance, shrinkage = ledoit_wolf(inside, assume_centered=True)
    assert 0.05 < shrinkage < 0.95
    expected = np.linalg.solve(covariance, (synthetic.mean(axis=0) - real.mean(axis=0)) / deviation) / deviation
    mean, direction = discriminant(real, synthetic)
    np.testing.assert_allclose(direction, expected, rtol=1e-4)
    np.testing.assert_allclose(mean, np.concatenate([real, synthetic]).mean(axis=0), atol=1e-12)


def test_what_is_there_more_often_weighs_no_more() -> None:
    real, synthetic = drawn(40, 5).embeddings, drawn(40, 6, shift=1.0).embeddings
    mean, _ = discriminant(real, synthetic)
    often, _ = discriminant(np.tile(real, (50, 1)), synthetic)
    np.testing.assert_allclose(often, mean, atol=1e-6)
    probed = probe(drawn(100, 5), drawn(1500, 6, shift=1.0))
    assert probed is not None
    assert 0.65 < probed.auroc < 0.85, "two normal distributions a deviation apart: 0.76"


def test_what_differs_clearly_is_told_apart_also_by_one_channel_of_many() -> None:
    probed = probe(drawn(50, 1), drawn(200, 2, shift=8.0))
    assert probed is not None
    assert probed.low > 0.99


def test_what_is_drawn_alike_is_not_told_apart() -> None:
    intervals = [probe(drawn(40, seed), drawn(70, 1000 + seed)) for seed in range(150)]
    held = [interval is not None and interval.low <= 0.5 <= interval.high for interval in intervals]
    assert sum(held) >= 140, "of 150 intervals of 95%; without CROSS_FITTED some 134"
    areas = [interval.auroc for interval in intervals if interval is not None]
    assert np.mean(areas) == pytest.approx(0.5, abs=0.03)


def test_near_copies_of_one_part_do_not_leak_between_folds() -> None:
    """Both kinds are drawn alike, each part twenty times: who knows a part's other photographs knows this one."""
    real, synthetic = (drawn(400, seed, per_part=20, inside=0.01) for seed in (1, 2))
    together = probe(real, synthetic)
    leaking = probe(*(Sample(x.embeddings, [str(i) for i in range(400)]) for x in (real, synthetic)))
    assert together is not None
    assert leaking is not None
    assert leaking.low > 0.8
    assert together.low < 0.5 < together.high
    for sample in (real, synthetic):
        fold = folds(sample.parts, np.random.default_rng(0)).reshape(20, 20)
        assert (fold == fold[:, :1]).all()
        assert np.bincount(fold[:, 0]).tolist() == [4] * FOLDS


def test_the_interval_is_of_parts_not_of_photographs() -> None:
    parts, photographs = drawn(100, 1, per_part=5, inside=0.01), drawn(100, 1, per_part=5, inside=0.01)
    synthetic = drawn(400, 2, shift=1.0)
    few = probe(parts, synthetic)
    many = probe(Sample(photographs.embeddings, [str(i) for i in range(100)]), synthetic)
    assert few is not None
    assert many is not None
    assert few.high - few.low > 1.5 * (many.high - many.low)


@pytest.mark.parametrize("few", ["real", "synthetic"])
def test_too_few_parts_of_either_say_nothing(few: str) -> None:
    def of(parts: int) -> list[Sample]:
        small, large = drawn(3 * parts, 1, per_part=3), drawn(60, 2)
        return [small, large] if few == "real" else [large, small]

    assert probe(*of(LEAST - 1)) is None
    assert probe(*of(LEAST)) is not None


def lines(count: int, origin: str, label: str, start: int = 0, judgement: Judgement = NOT_JUDGED) -> list[ManifestLine]:
    return [
        ManifestLine(
            file=PictureFile(uri="x", sha256=f"{number:064x}", width=8, height=8),
            origin=Origin(kind=origin),
            label=label,
            split="train",
            judgement=judgement,
        )
        for number in range(start, start + count)
    ]


def known(of: Sequence[ManifestLine], seed: int, shift: float = 0.0) -> dict[str, np.ndarray]:
    rows = drawn(len(of), seed, shift).embeddings
    return {line.file.sha256: row for line, row in zip(of, rows, strict=True)}


def test_every_label_is_probed_by_itself_and_only_on_what_was_accepted() -> None:
    real = [*lines(30, "real", "good"), *lines(30, "real", "defect", 100), *lines(5, "real", "rare", 200)]
    accepted = [
        *lines(40, "synthetic", "good", 1000, judgement=ACCEPTED),
        *lines(40, "synthetic", "defect", 2000, judgement=ACCEPTED),
        *lines(40, "synthetic", "rare", 3000, judgement=ACCEPTED),
    ]
    rejected = lines(50, "synthetic", "good", 4000, judgement=Judgement(verdict="rejected"))
    again = lines(50, "synthetic", "good", 5000, judgement=replace(ACCEPTED, duplicate_of="0" * 64))
    synthetic = {
        **known(accepted[:40], 1), **known(accepted[40:], 2, shift=8.0), **known(rejected, 3, shift=8.0),
        **known(again, 4, shift=8.0),
    }  # fmt: skip
    judged = [*accepted, *rejected, *again]
    by_label = probe_labels(real, judged, known(real, 5), synthetic)
    assert list(by_label) == ["defect", "good", "rare"]
    good, defect = by_label["good"], by_label["defect"]
    assert good is not None
    assert defect is not None
    assert by_label["rare"] is None
    assert good.synthetic == 40
    assert good.low < 0.5 < good.high
    assert defect.low > 0.99
    backwards = probe_labels(real[::-1], judged[::-1], known(real, 5), synthetic)
    assert backwards == by_label, "whatever the order of the lines"


def test_the_work_is_bounded() -> None:
    real, synthetic = lines(MOST + 500, "real", "good"), lines(20, "synthetic", "good", 9000, judgement=ACCEPTED)
    probed = probe_labels(real, synthetic, known(real, 1), known(synthetic, 2))["good"]
    assert probed is not None
    assert (probed.real, probed.synthetic) == (MOST, 20)


@pytest.fixture
def store() -> ObjectStore:
    return open_store("memory://")


def test_the_judged_dataset_has_it_of_training_images_without_augmented_copies(store: ObjectStore) -> None:
    def halves(uri: str) -> list[ManifestLine]:
        """Noise, which looks like no other noise: half of it good, half of it defects."""
        return [replace(x, label=LABELS[i >= 40]) for i, x in enumerate(read_manifest(store, uri))]

    real = halves(make_dataset(store, each=80, labels=["good"]))
    copies = [
        replace(x, file=replace(x.file, sha256=x.file.sha256[::-1]), origin=replace(x.origin, augmentation="turned"))
        for x in real
    ]
    real_uri = write_dataset(store, "parts", [*real, *copies], {})
    synthetic = halves(make_dataset(store, "made", each=80, seed=1, labels=["good"]))
    synthetic = [replace(x, origin=replace(x.origin, kind="synthetic"), group="") for x in synthetic]
    synthetic_uri = write_dataset(store, "made", synthetic, {})
    random = np.random.default_rng(0)

    def score(uri: str) -> Scores:
        """Synthetic images of defects have something in common; so have real ones that must not count."""
        scores, embeddings = {}, {}
        for x in read_manifest(store, uri):
            row = random.normal(size=CHANNELS)
            strange = x.label == "defect" and not x.is_real
            row[0] += 3 * (strange or (x.is_real and (x.split == "validation" or bool(x.origin.augmentation))))
            scores[x.file.sha256] = Score({"good": 0.5, "defect": 0.5}, {"good": 0, "defect": 0})
            embeddings[x.file.sha256] = row.astype(np.float32)
        return Scores(scores, embeddings)

    judge_manifest(
        store, synthetic_uri, real_uri, [], Policy(Filtering(policy="none")), False, "judged", score,
        lambda _: [], lambda *_: None,
    )  # fmt: skip
    card = json.loads(store.get("datasets/judged/dataset.json"))["probe"]
    assert set(card) == set(LABELS)
    assert set(card["good"]) == {"auroc", "low", "high", "real", "synthetic"}
    assert [(card[x]["real"], card[x]["synthetic"]) for x in LABELS] == [(20, 40), (20, 40)]
    assert card["defect"]["low"] > 0.6
    assert card["good"]["low"] < 0.5 < card["good"]["high"]
