"""The four scores and the map against NumPy's plain arithmetic over all pairs."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import beta

from bench.reviewable import write_reviewable
from defectory.datasets.manifest import DEFAULT_READING
from defectory.storage.memory import MemoryStore
from orchestrator.review import features as features_module
from orchestrator.review import quality
from orchestrator.review.compared import Compared
from orchestrator.review.decided import ACCEPTED, REJECTED, Decided, final
from orchestrator.review.features import Features, read_features
from orchestrator.review.plane import plane_of
from orchestrator.review.quality import OfLabel, Score, measure, share, why_not
from orchestrator.review.rows import rows_of
from orchestrator.review.sets import members_of, score_set
from orchestrator.review.subject import Subject, read_subject
from orchestrator.review.views import ViewQuery, scored_view

CHANNELS = 12


def silent(_: float) -> None:
    pass


@pytest.fixture
def packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[np.ndarray], Features]]:
    """Features of vectors (n, channels), read in blocks of seven rows, which end within every loop."""
    monkeypatch.setattr(features_module, "BLOCK", 7)
    monkeypatch.setattr(quality, "BLOCK", 7)

    def pack(vectors: np.ndarray) -> Features:
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        file = (tmp_path / "packed").open("w+b")
        file.write(unit.astype(np.float32).tobytes())
        file.flush()
        opened.callback(file.close)
        return Features(file, {f"{row:064x}": row for row in range(len(vectors))}, vectors.shape[1])

    with ExitStack() as opened:
        yield pack


@pytest.fixture
def vectors() -> np.ndarray:
    """60 synthetic ones, of which five are copies of photographs, four of each other, and three like nothing; then 40
    photographs of 20 parts, two of each, of which the last seven parts look alike and have nothing near them."""
    random = np.random.default_rng(3)
    parts = 1.5 + random.normal(size=(20, CHANNELS))
    parts[-7:] = [4.0] + [0.0] * (CHANNELS - 1) + random.normal(0, 0.2, (7, CHANNELS))
    real = np.repeat(parts, 2, axis=0) + random.normal(0, 0.05, (40, CHANNELS))
    synthetic = 1.5 + random.normal(size=(60, CHANNELS))
    synthetic[:5] = real[4:9] + random.normal(0, 0.05, (5, CHANNELS))
    synthetic[5:9] = synthetic[9] + random.normal(0, 0.05, (4, CHANNELS))
    synthetic[10:13] = -1.5 + random.normal(size=(3, CHANNELS))
    return np.concatenate([synthetic, real])


LABEL = OfLabel(synthetic=np.arange(60), real=np.arange(60, 100), parts=np.repeat(np.arange(20), 2))


def plainly(vectors: np.ndarray) -> dict[Score, np.ndarray]:
    """The ratios by their definitions, over all pairs at once."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    apart = np.linalg.norm(unit[:, None] - unit[None], axis=2)
    real = apart[60:, 60:].copy()
    real[LABEL.parts[:, None] == LABEL.parts[None]] = np.inf
    radius, nearest = np.sort(real, axis=1)[:, 4], real.min(axis=1)
    fence = np.sort(nearest)[0]  # of 40 photographs none undercuts it
    cross, among = apart[:60, 60:], apart[:60, :60] + np.diag(np.full(60, np.inf))
    return {
        "unrealistic": (radius / cross).max(axis=1),
        "alike": among.min(axis=1) / fence,
        "memorised": cross.min(axis=1) / fence,
        "uncovered": radius / cross.min(axis=0),
    }


def test_ratios_are_those_of_all_pairs(packed: Callable[[np.ndarray], Features], vectors: np.ndarray) -> None:
    measured = measure(packed(vectors), LABEL, silent)
    for score, wanted in plainly(vectors).items():
        np.testing.assert_allclose(measured.ratios[score], wanted, rtol=2e-3, err_msg=score)
        assert measured.shares[score].count == (wanted < 1).sum()


def test_each_score_counts_what_was_made_for_it(packed: Callable[[np.ndarray], Features], vectors: np.ndarray) -> None:
    measured = measure(packed(vectors), LABEL, silent)
    counted = {score: set(np.flatnonzero(ratio < 1)) for score, ratio in measured.ratios.items()}
    assert {0, 1, 2, 3, 4} <= counted["memorised"]
    assert {5, 6, 7, 8, 9} <= counted["alike"]
    assert {10, 11, 12} <= counted["unrealistic"]
    assert counted["uncovered"] == set(range(26, 40))
    assert len(set(measured.group[5:10])) == 1
    assert measured.group[5] != measured.group[12]
    assert all(len(rows) < 25 for rows in counted.values())


def test_of_new_photographs_one_in_a_hundred_is_called_a_copy(packed: Callable[[np.ndarray], Features]) -> None:
    random = np.random.default_rng(5)
    drawn = 1 + random.normal(size=(3000, CHANNELS))  # "synthetic" ones are drawn as photographs are
    label = OfLabel(np.arange(2000), np.arange(2000, 3000), np.arange(1000))
    features = packed(drawn)
    radius, nearest = quality.neighbourhoods(features, label)
    _, to_real, _ = quality.compare(features, label, radius, silent)
    assert 0.004 < (to_real < np.quantile(nearest, 0.01, method="lower")).mean() < 0.018


def test_a_label_of_too_few_parts_has_no_scores_and_it_is_said(vectors: np.ndarray) -> None:
    few = OfLabel(np.arange(60), np.arange(60, 70), np.repeat(np.arange(5), 2))
    assert "show 5 parts" in why_not(few)
    assert "it takes 6" in why_not(few)
    assert "no picture" in why_not(OfLabel(np.arange(0), LABEL.real, LABEL.parts))
    assert why_not(LABEL) == ""


def test_an_interval_over_single_pictures_is_clopper_and_pearsons() -> None:
    counts = np.arange(50) < 4
    one = share(counts, np.arange(50))
    assert (one.count, one.of) == (4, 50)
    assert one.low == pytest.approx(beta.ppf(0.025, 4, 47))
    assert one.high == pytest.approx(beta.ppf(0.975, 5, 46))


def test_an_interval_over_groups_is_that_of_fewer_draws() -> None:
    counts = np.repeat([True, False], [100, 900])
    single, grouped = share(counts, np.arange(1000)), share(counts, np.arange(1000) // 100)
    assert grouped.low < single.low
    assert grouped.high > single.high
    # Ten groups of which one counts: how many of ten draws are that one is binomial; 2.5% and 97.5% of it: 0 and 3.
    assert (grouped.low, grouped.high) == (pytest.approx(0.0), pytest.approx(0.3))
    none = share(np.zeros(1000, bool), np.arange(1000) // 100)
    assert (none.low, none.high) == (0, pytest.approx(1 - 0.025 ** (1 / 1000)))


def test_the_map_is_the_plane_of_most_variance_of_both_halves(
    packed: Callable[[np.ndarray], Features], vectors: np.ndarray
) -> None:
    features = packed(vectors)
    plane = plane_of(features, np.array([*range(60), -1]), np.arange(60, 100))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    weights = np.repeat([0.5 / 60, 0.5 / 40], [60, 40])
    centred = unit - weights @ unit
    _, singular, axes = np.linalg.svd(np.sqrt(weights)[:, None] * centred)
    axes = axes[:2] * np.sign(axes[[0, 1], np.abs(axes[:2]).argmax(axis=1)])[:, None]
    wanted = centred @ axes.T
    assert np.isnan(plane.points[60]).all()
    np.testing.assert_allclose(np.delete(plane.points, 60, axis=0), wanted, atol=1e-5)
    np.testing.assert_allclose(plane.explained, (singular**2 / (singular**2).sum())[:2], rtol=1e-4)


def test_nothing_scored_has_no_plane(tmp_path: Path) -> None:
    with (tmp_path / "empty").open("w+b") as file:
        plane = plane_of(Features(file, {}, 0), np.array([-1, -1]), np.array([], int))
    assert np.isnan(plane.points).all()
    assert plane.explained == (0, 0)


# Over a run.


@pytest.fixture(scope="module")
def run() -> tuple[MemoryStore, Subject]:
    store = MemoryStore()
    write_reviewable(store, "demo", 60, photographs=12, size_px=32)
    return store, read_subject(store, "demo", DEFAULT_READING)


def test_sets_are_what_was_made_and_what_counts(run: tuple[MemoryStore, Subject]) -> None:
    store, subject = run
    rows, decided = rows_of(subject), Decided(store, subject)
    accepted = [row for row, line in enumerate(subject.lines) if line.judgement.verdict == "accepted"]
    rejected = [row for row, line in enumerate(subject.lines) if line.judgement.verdict == "rejected"]
    said = final(decided.reviewers(), len(rows))
    assert np.flatnonzero(members_of("kept", rows, said) >= 0).tolist() == accepted
    assert (members_of("made", rows, said) == rows.label).all()
    other = 1 - int(rows.label[rejected[0]])
    decided.decide("Anna", "a" * 32, [(accepted[0], REJECTED, 0), (rejected[0], ACCEPTED, other + 1)])
    kept = members_of("kept", rows, final(decided.reviewers(), len(rows)))
    assert kept[accepted[0]] == -1
    assert kept[rejected[0]] == other
    assert (kept >= 0).sum() == len(accepted)


def test_a_set_is_scored_label_by_label_and_views_show_the_worst_first(
    run: tuple[MemoryStore, Subject], request: pytest.FixtureRequest
) -> None:
    store, subject = run
    rows, decided = rows_of(subject), Decided(store, subject)
    features = read_features(store, subject)
    request.addfinalizer(features.close)
    scored = score_set(features, subject, rows.label, silent)
    assert scored.missing == {}
    shas = [line.file.sha256 for line in subject.lines if line.label == "good"]
    real = [line.file.sha256 for line in subject.photographs if line.label == "good"]
    label = OfLabel(features.rows(shas), features.rows(real), np.arange(len(real)))
    alone = measure(features, label, silent)
    assert scored.shares["good"] == alone.shares
    me = decided.reviewer("Ben")

    def shown(**query: object) -> list[int]:
        asked = ViewQuery.model_validate(query)
        return scored_view(rows, subject.photographs, asked, scored, me, [me]).tolist()

    good = [row for row, line in enumerate(subject.lines) if line.label == "good"]
    for score in ("unrealistic", "memorised"):
        ratios = alone.ratios[score]
        wanted = [good[at] for at in np.argsort(ratios) if ratios[at] < 1]
        assert shown(label=["good"], score=score, of="made") == wanted
        assert len(shown(score=score)) == sum(one[score].count for one in scored.shares.values())
    far = [len(rows) + at for at, line in enumerate(subject.photographs) if line.label == "good"]
    uncovered = shown(label=["good"], score="uncovered")
    assert set(uncovered) == {far[at] for at in np.flatnonzero(alone.ratios["uncovered"] < 1)}
    alike = shown(label=["good"], score="alike")
    groups = [int(scored.group[row]) for row in alike]
    assert len(alike) == alone.shares["alike"].count > 2
    assert sum(one != other for one, other in pairwise(groups)) == len(set(groups)) - 1


def test_scores_that_failed_say_why_once_and_are_tried_again(run: tuple[MemoryStore, Subject]) -> None:
    written, subject = run
    store = MemoryStore()
    for info in written.list("scores/"):
        store.put(info.key, written.get(info.key))
    embeddings = store.get("scores/judge/1/drawn/embeddings.npy")
    store.put("scores/judge/1/drawn/embeddings.npy", b"no array")
    compared = Compared(store, subject)
    try:
        everything = rows_of(subject).label
        failed = compared.scores("made", everything, anew=False)
        assert isinstance(failed.future.exception(), ValueError)
        assert compared.scores("made", everything, anew=False) is failed
        store.put("scores/judge/1/drawn/embeddings.npy", embeddings)
        again = compared.scores("made", everything, anew=False)
        assert again is not failed
        assert again.future.result().missing == {}
        assert compared.scores("made", everything, anew=True) is again
    finally:
        compared.close()


def test_photographs_are_those_for_training(run: tuple[MemoryStore, Subject]) -> None:
    store, subject = run
    assert len(subject.photographs) == 24
    assert {(line.split, line.is_real) for line in subject.photographs} == {("train", True)}
    assert read_subject(store, "demo", DEFAULT_READING, as_dataset=True).photographs == ()
