"""Figures of a review against other programs, and views against what they should hold."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from scipy.stats import beta
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import cohens_kappa, to_table

from defectory.errors import NotFound
from defectory.storage.memory import MemoryStore
from orchestrator.review.agreement import agreement, kappa_interval
from orchestrator.review.alike import nearest
from orchestrator.review.decided import ACCEPTED, REJECTED, Decided, Reviewer
from orchestrator.review.features import NOT_SCORED, read_features
from orchestrator.review.heat import Heat
from orchestrator.review.pictures import Pictures, difference
from orchestrator.review.rows import rows_of
from orchestrator.review.samples import NOT_OF_A_SAMPLE, keep_sample, sample_results
from orchestrator.review.statistics import minutes, of_reviewer, of_sample
from orchestrator.review.subject import Subject
from orchestrator.review.views import ViewQuery, view
from tests.unit.review.running import no_services


def reviewer(name: str, verdicts: list[int], labels: list[int] | None = None) -> Reviewer:
    label = np.array(labels or [0] * len(verdicts), np.uint16)
    return Reviewer(name, np.array(verdicts, np.uint8), label, np.zeros(len(verdicts)))


@pytest.mark.parametrize("labels", [2, 4])
@pytest.mark.parametrize("count", [12, 400])
def test_kappa_and_its_interval_are_those_of_other_programs(labels: int, count: int) -> None:
    random = np.random.default_rng(count + labels)
    first = random.integers(0, labels, count)
    second = np.where(random.random(count) < 0.7, first, random.integers(0, labels, count))
    kappa, low, high = kappa_interval(first, second)
    assert kappa == pytest.approx(cohen_kappa_score(first, second))
    other = cohens_kappa(to_table(np.stack([first, second], axis=1))[0])
    assert kappa == pytest.approx(other.kappa)
    assert low == pytest.approx(max(other.kappa_low, -1))
    assert high == pytest.approx(min(other.kappa_upp, 1))


def test_kappa_of_two_who_accept_everything_is_not_defined_but_the_raw_agreement_is() -> None:
    both = agreement(reviewer("Anna", [1, 1, 1, 0]), reviewer("Ben", [1, 1, 1, 1]))
    assert (both.kappa, both.low, both.high) == (None, None, None)
    assert (both.both, both.agreed) == (3, 3)
    assert agreement(reviewer("Anna", [1, 0]), reviewer("Ben", [0, 1])).both == 0


def test_reviewers_differ_where_verdict_or_label_do() -> None:
    both = agreement(
        reviewer("Anna", [1, 2, 1, 1, 0], [0, 0, 2, 1, 0]), reviewer("Ben", [1, 1, 1, 1, 2], [0, 0, 2, 0, 0])
    )
    assert both.differ.tolist() == [1, 3]
    assert (both.both, both.agreed) == (4, 2)


def test_a_samples_share_of_bad_ones_has_the_interval_of_clopper_and_pearson() -> None:
    one = reviewer("Anna", [1, 2, 1, 1, 0, 0, 2], [0, 0, 1, 0, 0, 0, 0])
    figures = of_sample(one, np.array([0, 1, 2, 3, 4]))
    assert (figures.size, figures.decided, figures.bad) == (5, 4, 2)
    assert figures.low == pytest.approx(beta.ppf(0.025, 2, 3))
    assert figures.high == pytest.approx(beta.ppf(0.975, 3, 2))
    assert of_sample(one, np.array([4, 5])).low is None


def test_minutes_leave_pauses_out() -> None:
    assert minutes([]) == 0
    assert minutes([100.0]) == 0
    assert minutes([130.0, 100.0, 160.0, 1000.0, 1030.0]) == pytest.approx(1.5)


def test_overruled_are_those_that_the_filter_saw_otherwise_and_decisions_count_by_label(subject: Subject) -> None:
    rows = rows_of(subject)
    accepted = np.flatnonzero(rows.filter_verdict == 1)
    verdicts = np.zeros(len(rows), int)
    verdicts[accepted[:3]] = 2, 2, 1
    figures = of_reviewer(reviewer("Anna", verdicts.tolist()), rows)
    assert (figures.accepted, figures.rejected, figures.overruled) == (1, 2, 2)
    assert sum(of.rejected for of in figures.by_label.values()) == 2
    named = {subject.lines[row].label for row in accepted[:3]}
    assert figures.by_label.keys() == named, "a label about which nothing is decided has no row"


def test_a_sample_is_kept_once_all_of_it_is_decided_and_counts_what_is_decided_now(
    store: MemoryStore, subject: Subject, decided: Decided
) -> None:
    rows, me = rows_of(subject), decided.reviewer("Anna")
    query = ViewQuery(label=("good",), sample=4, seed=3, mine="undecided")
    drawn = view(rows, query.model_copy(update=NOT_OF_A_SAMPLE), me, []).tolist()
    decided.decide("Anna", "a" * 32, [(row, 1, 0) for row in drawn[:3]])
    keep_sample(store, subject, rows, "Anna", query, of_sample(me, np.array(drawn)))
    assert sample_results(store, subject, rows, decided) == []
    decided.decide("Anna", "b" * 32, [(drawn[3], 2, 0)])
    for _ in range(2):
        keep_sample(store, subject, rows, "Anna", query, of_sample(me, np.array(drawn)))
    (result,) = sample_results(store, subject, rows, decided)
    assert (result.by, result.labels, result.filters) == ("Anna", ["good"], {})
    assert (result.size, result.decided, result.bad) == (4, 4, 1)
    assert result.of == sum(line.label == "good" for line in subject.lines)
    assert (result.low, result.high) == (pytest.approx(beta.ppf(0.025, 1, 4)), pytest.approx(beta.ppf(0.975, 2, 3)))
    decided.decide("Anna", "c" * 32, [(drawn[0], 2, 0)])
    assert sample_results(store, subject, rows, decided)[0].bad == 2


@pytest.fixture
def decided(store: MemoryStore, subject: Subject) -> Decided:
    return Decided(store, subject)


def rows_in(subject: Subject, decided: Decided, **query: object) -> list[int]:
    me = decided.reviewer("Anna")
    return view(rows_of(subject), ViewQuery.model_validate(query), me, decided.reviewers()).tolist()


def test_the_most_doubtful_come_first(subject: Subject, decided: Decided) -> None:
    rows = rows_in(subject, decided)
    assert sorted(rows) == list(range(20))
    margins = [abs(np.subtract(*(subject.lines[row].judgement.scores or {}).values())) for row in rows]
    assert margins == sorted(margins)


def test_filters_are_met_together(subject: Subject, decided: Decided) -> None:
    rows = rows_in(subject, decided, label=["good"], verdict=["rejected"], confidence_from=0.3)
    wanted = [
        row
        for row, line in enumerate(subject.lines)
        if line.label == "good"
        and line.judgement.verdict == "rejected"
        and (line.judgement.scores or {})["good"] >= 0.3
    ]
    assert sorted(rows) == wanted
    assert 0 < len(wanted) < 20
    reasons = rows_in(subject, decided, reason=["copy", "outlier"])
    assert {x for row in reasons for x in subject.lines[row].judgement.reasons} == {"copy", "outlier"}
    assert rows_in(subject, decided, label=["no such"]) == []


def test_views_know_what_was_decided_and_by_whom(subject: Subject, decided: Decided) -> None:
    decided.decide("Anna", "a" * 32, [(0, ACCEPTED, 0), (1, REJECTED, 0), (2, ACCEPTED, 2)])
    decided.decide("Ben", "b" * 32, [(1, ACCEPTED, 0), (2, ACCEPTED, 2), (9, REJECTED, 0)])
    assert len(rows_in(subject, decided, mine="undecided")) == 17
    assert rows_in(subject, decided, mine="accepted") == [0]
    assert rows_in(subject, decided, mine="relabelled") == [2]
    assert sorted(rows_in(subject, decided, reviewer=["Ben"])) == [1, 2, 9]
    assert rows_in(subject, decided, differ=True) == [1]


def test_a_sample_stays_the_same_while_it_is_decided(subject: Subject, decided: Decided) -> None:
    first = rows_in(subject, decided, sample=5, seed=3)
    assert len(first) == 5
    assert first != rows_in(subject, decided, sample=5, seed=4)
    decided.decide("Anna", "a" * 32, [(first[0], ACCEPTED, 0)])
    assert rows_in(subject, decided, sample=5, seed=3) == first
    assert sorted(rows_in(subject, decided, sample=5, seed=3, mine="undecided")) == sorted(first[1:])


def test_the_most_alike_are_those_of_the_same_photograph(
    store: MemoryStore, subject: Subject, request: pytest.FixtureRequest
) -> None:
    features = read_features(store, subject)
    request.addfinalizer(features.close)
    shas = [line.file.sha256 for line in subject.lines]
    neighbours = nearest(features, shas, shas[0], 2)
    assert neighbours[0] == (0, pytest.approx(0, abs=1e-6))
    assert subject.lines[neighbours[1][0]].judgement.nearest_real == subject.lines[0].judgement.nearest_real
    vectors = np.load(io.BytesIO(store.get("scores/judge/1/drawn/embeddings.npy")))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert neighbours[1][1] == pytest.approx(float(np.sort(1 - unit @ unit[0])[1]), abs=1e-5)
    assert NOT_SCORED.startswith("nobody")


def test_a_difference_is_that_of_the_pixels() -> None:
    one, other = Image.new("RGB", (4, 4), (10, 200, 30)), Image.new("RGB", (4, 4), (20, 50, 30))
    assert difference(one, other).getpixel((1, 1)) == 150
    assert difference(one, one).getextrema() == (0, 0)


def pictures_of(store: MemoryStore, subject: Subject) -> Pictures:
    return Pictures(store, subject, Heat(store, subject.judge, no_services))


def test_layers_are_those_that_a_picture_has(store: MemoryStore, subject: Subject) -> None:
    pictures = pictures_of(store, subject)
    line = subject.lines[0]
    assert pictures.layers(line) == ("picture", "nearest", "difference", "heat")
    for layer in ("picture", "nearest", "difference"):
        assert pictures.layer(line, layer).content.startswith(b"\x89PNG")
    for layer in ("mask", "no such", "../picture"):
        with pytest.raises(NotFound):
            pictures.layer(line, layer)
    real = next(x for x in subject.real.values() if x.mask)
    assert pictures.layers(real) == ("picture", "heat", "mask")
    unjudged = replace(subject, judge="")
    assert pictures_of(store, unjudged).layers(line) == ("picture", "nearest", "difference")
    assert pictures.layer(real, "mask").content.startswith(b"\x89PNG")


def test_a_photographs_thumbnail_is_small_and_kept(store: MemoryStore, subject: Subject) -> None:
    pictures, line = pictures_of(store, subject), next(iter(subject.real.values()))
    first = pictures.thumbnail(line)
    assert first.media_type == "image/webp"
    kept = [info.key for info in store.list(f"prepared/{line.file.sha256}/")]
    assert len(kept) == 1
    store.delete(store.key(line.file.uri))
    assert pictures.thumbnail(line) == first
