"""One answer to everything beside the arms: in the verdict, the tables and the summary."""

import json
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from defectory.storage.memory import MemoryStore
from defectory.trivial import scored
from orchestrator.report import build_report
from orchestrator.report.trivial import Trivial
from tests.unit.report.finished_run import finished_run, put

# Of 13 photographs, as a run on 85 of them had it: 4 defective, 9 good.
BASELINE, EXPANDED = [[1, 3], [3, 6]], [[0, 4], [4, 5]]


def rate(count: int, of: int) -> dict:
    return {"count": count, "of": of, "low": 0.0, "high": 1.0}


def decided(
    store: MemoryStore, arm: str, confusion: list[list[int]], labels: tuple[str, str] = ("defect", "good")
) -> None:
    """Let an arm have decided so."""
    document = json.loads(store.get("v"))
    figures = {"precision": 0.5, "recall": 0.5}
    missed, false_alarms = rate(confusion[0][1], sum(confusion[0])), rate(confusion[1][0], sum(confusion[1]))
    document["decisions"] |= {
        "confusion": confusion,
        "labels": {label: {**figures, "images": sum(row)} for label, row in zip(labels, confusion, strict=True)},
    }
    document["operating_point"]["measured"] = {"escape": missed, "overkill": false_alarms}
    record = json.loads(store.get(f"runs/run/steps/{arm}-evaluate.json"))
    record["outputs"]["evaluation_uri"] = put(store, f"evaluation-{arm}", document)
    put(store, f"runs/run/steps/{arm}-evaluate.json", record)


@pytest.fixture
def run() -> MemoryStore:
    store = finished_run()
    decided(store, "baseline", BASELINE)
    decided(store, "expanded", EXPANDED)
    return store


def verdict_of(page: str) -> str:
    return page.partition('id="verdict">')[2].partition("</section>")[0]


def test_that_no_arm_is_better_than_passing_everything_is_said_first_and_by_what(run: MemoryStore) -> None:
    html, summary, _ = build_report(run, "run")
    assert summary.verdict.startswith("On these 13 test parts neither arm is better than passing every part. ")
    assert summary.details[1] == (
        "Right answers of 13: passing every part 9 (accuracy 69.2%, macro-F1 40.9%), real only 7 (accuracy 53.8%, "
        "macro-F1 45.8%), real + synthetic 5 (accuracy 38.5%, macro-F1 27.8%). “real only” has fewer right answers "
        "than passing every part; its macro-F1, which weighs every label alike, is higher than that of passing every "
        "part (45.8% against 40.9%), but not by looking: of a label's images it gets 45.8% right on average, and "
        "guessing gets 50.0%. Of the 2 trainings that are served, one an arm, the "
        "higher macro-F1 is that of “real only” (45.8%), the lower that of "
        "“real + synthetic” (27.8%)."
    )
    assert summary.trivial is not None
    assert (summary.trivial.right, summary.trivial.of) == (9, 13)
    assert summary.trivial.no_better == ["baseline", "expanded"]
    section = verdict_of(html.decode())
    rows = [re.findall(r"<td[^>]*>([^<]*)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", section, re.S)]
    assert rows[1:] == [
        ["missed defects: defective parts that went through as good", "3 of 4", "4 of 4", "4 of 4"],
        ["false alarms: good parts that were rejected", "3 of 9", "4 of 9", "0 of 9"],
        ["right answers", "7 of 13", "5 of 13", "9 of 13"],
    ]
    assert 'class="verdict cannot"' in html.decode(), "no green edge"


def test_the_heatmaps_of_such_classifiers_are_not_praised(run: MemoryStore) -> None:
    page = build_report(run, "run")[0].decode()
    section = page[page.index('id="reasons"') : page.index('id="settings"')]
    said = [
        "“real only” and “real + synthetic” decided no better than passing every part: these heatmaps show",
        "The heatmaps follow the networks",
    ]
    places = [section.index(one) for one in said]
    assert all(a < b for a, b in pairwise(places))
    assert "<strong>" not in section


def test_of_arms_of_which_one_is_better_the_other_is_named(run: MemoryStore) -> None:
    decided(run, "expanded", [[3, 1], [1, 8]])
    summary = build_report(run, "run").summary
    assert summary.verdict.startswith("On these 13 test parts “real only” is no better than passing every part. ")
    assert summary.trivial is not None
    assert summary.trivial.no_better == ["baseline"]


def test_where_all_have_more_right_nothing_is_said(run: MemoryStore) -> None:
    for arm in ("baseline", "expanded"):
        decided(run, arm, [[3, 1], [1, 8]])
    html, summary, _ = build_report(run, "run")
    assert "every part" not in summary.verdict
    assert not any("every part" in detail for detail in summary.details)
    assert "no better than" not in html.decode()


def test_a_rare_defect_that_is_caught_makes_a_less_accurate_arm_better_and_both_figures_are_shown(
    run: MemoryStore,
) -> None:
    decided(run, "baseline", [[1, 0], [3, 96]])
    decided(run, "expanded", [[1, 0], [0, 99]])
    summary = build_report(run, "run").summary
    assert "every part" not in summary.verdict
    # 97 of 100 right; F1 of defects 2/5, of good parts 192/195; a defect and 96 of 99 good ones are recognised.
    assert summary.details[2] == (
        "Right answers of 100: passing every part 99 (accuracy 99.0%, macro-F1 49.7%), real only 97 (accuracy 97.0%, "
        "macro-F1 69.2%), real + synthetic 100 (accuracy 100.0%, macro-F1 100.0%). “real only” has fewer right "
        "answers than passing every part; its macro-F1, which weighs every label alike, is higher than that of passing "
        "every part (69.2% against 49.7%): of a label's images it gets 98.5% right on average, where not looking at "
        "them gives 50.0%. Of the 2 trainings that are served, one an arm, the "
        "higher macro-F1 is that of “real + synthetic” (100.0%), the lower that of "
        "“real only” (69.2%)."
    )


def test_of_mostly_defective_parts_rejecting_all_is_the_answer(run: MemoryStore) -> None:
    for arm in ("baseline", "expanded"):
        decided(run, arm, [[5, 4], [3, 1]])
    summary = build_report(run, "run").summary
    assert "no arm" not in summary.verdict
    assert "neither arm is better than rejecting every part" in summary.verdict


def test_where_no_label_is_that_of_good_parts_the_answer_is_the_label(run: MemoryStore) -> None:
    for arm in ("baseline", "expanded"):
        decided(run, arm, BASELINE, ("crack", "hole"))
        document = json.loads(run.get(f"evaluation-{arm}"))
        put(run, f"evaluation-{arm}", {**document, "operating_point": None})
    assert "better than calling every part “hole”" in build_report(run, "run").summary.verdict


def test_an_earlier_version_without_decisions_says_nothing_of_it(run: MemoryStore) -> None:
    document = json.loads(run.get("evaluation-baseline"))
    put(run, "evaluation-baseline", {**document, "decisions": None})
    assert build_report(run, "run").summary.trivial is None


def stated(sentence: str, beside: str) -> list[tuple[str, float, float]]:
    """(arm, its macro-F1, that of the one answer) of each comparison in the sentence."""
    pattern = (
        rf"“([^”]+)” has [a-z ]+ {beside}; its macro-F1[^(]*is higher than that of {beside} \((.+?)% against (.+?)%"
    )
    return [(title, float(own), float(other)) for title, own, other in re.findall(pattern, sentence)]


def test_of_three_arms_each_is_compared_with_the_one_answer_and_best_and_worst_are_named() -> None:
    # 4 defective and 9 good parts: 10, 11 and 8 right; scikit-learn's macro-F1 is 70.7%, 81.9% and 57.5%.
    arms = {
        "real only": [[2, 2], [1, 8]],
        "real + augmentation": [[3, 1], [1, 8]],
        "real + synthetic": [[2, 2], [3, 6]],
    }
    trivial = Trivial("passing every part", True, scored([[0, 4], [0, 9]]), {t: scored(c) for t, c in arms.items()}, "")
    f1 = {title: macro_f1(confusion) for title, confusion in arms.items()}
    assert stated(trivial.figures, "passing every part") == [("real + synthetic", f1["real + synthetic"], 40.9)]
    assert "“real + synthetic” has fewer right answers than passing every part" in trivial.figures
    assert trivial.figures.endswith(
        "Of the 3 trainings that are served, one an arm, the "
        f"highest macro-F1 is that of “real + augmentation” ({f1['real + augmentation']}%), the "
        f"lowest that of “real + synthetic” ({f1['real + synthetic']}%)."
    )


def macro_f1(confusion: list[list[int]]) -> float:
    """In per cent, by scikit-learn."""
    truth, decision = zip(*((t, d) for t in (0, 1) for d in (0, 1) for _ in range(confusion[t][d])), strict=True)
    return float(f"{f1_score(truth, decision, average='macro') * 100:.1f}")


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9)), min_size=2, max_size=5))
def test_every_comparison_in_the_sentence_agrees_with_the_figures(mistakes: list[tuple[int, int]]) -> None:
    confusions = {f"arm {n}": [[5 - miss, miss], [alarms, 9 - alarms]] for n, (miss, alarms) in enumerate(mistakes)}
    arms = {title: scored(confusion) for title, confusion in confusions.items()}
    said = Trivial("passing every part", True, scored([[0, 5], [0, 9]]), arms, "parts").figures
    f1 = {title: macro_f1(confusion) for title, confusion in confusions.items()}
    for title, own, other in stated(said, "passing every part"):
        assert own == f1[title]
        assert other == macro_f1([[0, 5], [0, 9]])
        assert own > other
    for title, more in re.findall(r"“([^”]+)” has (as many|fewer) right answers", said):
        assert (sum(confusions[title][n][n] for n in (0, 1)) < 9) == (more == "fewer")
    extremes = re.findall(r"high\w+ macro-F1 is that of (.+?) \((.+?)%\), .+? of (.+?) \((.+?)%", said)
    for high, highest, low, lowest in extremes:
        assert {f1[title] for title in re.findall("“(.+?)”", high)} == {max(f1.values())} == {float(highest)}
        assert {f1[title] for title in re.findall("“(.+?)”", low)} == {min(f1.values())} == {float(lowest)}
    assert bool(said) == any(sum(own[n][n] for n in (0, 1)) <= 9 for own in confusions.values())
