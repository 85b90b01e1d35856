"""An experiment says where passing every part, or rejecting every one, would be cheaper than every arm."""

from pathlib import Path

import pytest

from defectory.storage.memory import MemoryStore
from orchestrator.pipeline.cost_settings import CostSettings
from orchestrator.proof.proven import PROOF
from orchestrator.proof.verdict import one_answer_costs
from tests.unit.proof.test_experiment import Classifiers, carried_out, photographs, spec_of

__all__ = ["photographs"]


def test_the_costs_of_one_answer_are_those_of_its_mistakes() -> None:
    costs = one_answer_costs(CostSettings(escape=50, overkill=2, defect_share=0.01))
    # Of 1,000 parts 10 are defective and 990 good.
    assert costs == {
        "passing every part": pytest.approx(10 * 50), "rejecting every part": pytest.approx(990 * 2),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("costs", "answer"),
    [
        ({"escape": 1, "overkill": 50, "defect_share": 0.01}, "passing every part, which costs 10.0"),
        ({"escape": 5000, "overkill": 1, "defect_share": 0.9}, "rejecting every part, which costs 100.0"),
        ({"escape": 50, "overkill": 1, "defect_share": 0.5}, ""),
    ],
)
def test_where_one_answer_is_cheaper_than_every_arm_the_verdict_says_so(
    photographs: Path, costs: dict[str, float], answer: str
) -> None:
    services = Classifiers(MemoryStore())
    result = carried_out(spec_of(photographs, costs=costs), services).outputs[PROOF]
    said = [sentence for sentence in result.verdict if sentence.startswith("No arm costs less than")]
    assert bool(said) == bool(answer), result.verdict
    assert all(answer in sentence for sentence in said)
