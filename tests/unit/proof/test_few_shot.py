"""Which few photographs are chosen, and where the thresholds lie on validation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from defectory.datasets.manifest_line import ManifestLine, PictureFile
from orchestrator.pipeline.cost_settings import CostSettings
from orchestrator.proof.few_shot import few_of
from orchestrator.proof.operating_point import decided_at, for_cost, for_macro_f1
from orchestrator.proof.spec import FewShot


def line(number: int, kind: str, group: str) -> ManifestLine:
    file = PictureFile(uri="u", sha256=f"{number:064x}", width=8, height=8)
    return ManifestLine(file=file, label="defect" if kind else "good", kind=kind, group=group, split="train")


LINES = [
    *(line(number, "crack", f"c{number // 3}") for number in range(30)),  # ten parts, three photographs each
    *(line(100 + number, "dent", "one part") for number in range(6)),
    *(line(200 + number, "", f"g{number // 2}") for number in range(12)),  # six parts, two photographs each
]
BY_HASH = {x.file.sha256: x for x in LINES}


def chosen(per_kind: int, good: int, seed: int = 0) -> list[ManifestLine]:
    return [BY_HASH[sha] for sha in few_of(LINES, FewShot(per_kind=per_kind, good=good), "good", seed)]


@given(per_kind=st.integers(1, 12), good=st.integers(1, 20), seed=st.integers(0, 50))
def test_a_kind_has_one_photograph_a_part_and_good_ones_are_of_many_parts(per_kind: int, good: int, seed: int) -> None:
    of = chosen(per_kind, good, seed)
    cracks, dents, goods = ([x for x in of if x.kind == kind] for kind in ("crack", "dent", ""))
    assert len(cracks) == len({x.group for x in cracks}) == min(per_kind, 10)
    assert len(dents) == 1
    assert len(goods) == min(good, 12)
    assert len({x.group for x in goods}) == min(good, 6)


@given(per_kind=st.integers(1, 9), good=st.integers(1, 11), seed=st.integers(0, 50))
def test_more_photographs_only_add_to_fewer(per_kind: int, good: int, seed: int) -> None:
    fewer, more = chosen(per_kind, good, seed), chosen(per_kind + 1, good + 1, seed)
    assert {x.file.sha256 for x in fewer} < {x.file.sha256 for x in more}


def test_another_seed_chooses_others() -> None:
    assert chosen(3, 3, seed=1) != chosen(3, 3, seed=2)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 4))
def test_the_threshold_for_macro_f1_is_the_best_there_is(seed: int, labels: int) -> None:
    rng = np.random.default_rng(seed)
    truth, score = rng.integers(0, labels, 40), rng.integers(0, 15, 40) / 14
    defect = rng.integers(1, labels, 40)
    threshold = for_macro_f1(truth, score, defect)

    def f1(at: float) -> float:
        return float(f1_score(truth, decided_at(at, score, defect), average="macro", zero_division=0))

    assert f1(threshold) == pytest.approx(max(f1(at) for at in np.linspace(-0.01, 1.01, 103)))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.floats(0, 100), st.floats(0.001, 0.5))
def test_the_threshold_for_cost_is_the_cheapest(seed: int, escape: float, share: float) -> None:
    rng = np.random.default_rng(seed)
    truth, score = rng.integers(0, 3, 40), rng.integers(0, 15, 40) / 14
    truth[:2] = 0, 1

    def cost(at: float) -> float:
        escapes, overkill = np.mean(score[truth > 0] < at), np.mean(score[truth == 0] >= at)
        return float(escape * share * escapes + 3 * (1 - share) * overkill)

    threshold = for_cost(truth, score, CostSettings(escape=escape, overkill=3, defect_share=share))
    assert cost(threshold) == pytest.approx(min(cost(at) for at in np.linspace(-0.01, 1.01, 103)))


def test_of_thresholds_that_are_as_good_the_one_nearest_to_a_half_is_taken() -> None:
    truth, score = np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.9, 0.95])
    assert for_macro_f1(truth, score, np.ones(4, int)) == 0.5
