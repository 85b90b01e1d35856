"""What the sentences say where figures could be misread: money, many arms, photographs that do harm, digits."""

from dataclasses import replace

import pytest

from orchestrator.proof.digits import in_digits
from orchestrator.proof.judgement import Difference, Interval, Outcome, Proof
from orchestrator.proof.spec import ExperimentSpec
from orchestrator.proof.verdict import COST, Design, Protocol, sentences

SPEC = ExperimentSpec.model_validate(
    {"name": "e", "data": {"directory": "photos"}, "arms": ["real", "augmented", "more-real", "edited"], "few_shot": {}}
)
PROTOCOL = Protocol(SPEC, Design(400, 390, 90, "macro-F1"), [], [], [])
BETTER, WORSE, NONE = Interval(0.05, 0.02, 0.08), Interval(-0.05, -0.08, -0.02), Interval(0.01, -0.02, 0.04)


def proof_of(
    outcome: Outcome, gain: Interval, cost: Interval, of: int = 4, instrument: Interval = BETTER, costs: float = 100.0
) -> Proof:
    """A proof of one arm, whose cost differs so from the reference's."""
    own = {COST: Interval(costs, costs - 20, costs + 20)}
    difference = Difference(gain, (gain.value,) * 5, 0.02, 0.08, of, 0.0625, outcome)
    return Proof(
        {"augmented": own, "edited": own}, {"augmented": (0.8,) * 5, "edited": (0.8,) * 5}, {"edited": {COST: cost}},
        {"edited": difference}, instrument, instrument.above_zero,
    )  # fmt: skip


def said_of_edited(proof: Proof) -> str:
    (said,) = [x for x in sentences(proof, PROTOCOL) if x.startswith("edited:")]
    return said


@pytest.mark.parametrize(
    ("outcome", "gain", "cost", "ends"),
    [
        ("helped", BETTER, Interval(31.0, 5.0, 60.0), "which is more: by money it hurt."),
        ("hurt", WORSE, Interval(-31.0, -60.0, -5.0), "which is less: by money it helped."),
        ("helped", BETTER, Interval(-31.0, -60.0, -5.0), "(95% interval -60 to -5)."),
        ("helped", BETTER, Interval(31.0, -5.0, 60.0), "(95% interval -5 to +60)."),
    ],
)
def test_where_money_says_the_opposite_the_sentence_does(
    outcome: Outcome, gain: Interval, cost: Interval, ends: str
) -> None:
    assert said_of_edited(proof_of(outcome, gain, cost)).endswith(ends)


def test_an_interval_without_zero_that_does_not_count_among_many_arms_is_explained() -> None:
    said = said_of_edited(proof_of("cannot tell", BETTER, NONE))
    assert said.startswith("edited: cannot tell: of 4 arms that contend, chance alone can give one such a difference –")
    assert said_of_edited(proof_of("cannot tell", NONE, NONE)).startswith(
        "edited: cannot tell: chance alone can explain the difference –"
    )


def test_photographs_that_do_harm_are_no_chance() -> None:
    first, *_ = sentences(proof_of("cannot tell", BETTER, NONE, instrument=WORSE), PROTOCOL)
    assert first.startswith("This test cannot tell, whatever the arms below show: all real photographs in place of few")
    assert "More photographs do harm" in first
    assert "chance" not in first
    unclear, *_ = sentences(proof_of("cannot tell", BETTER, NONE, instrument=NONE), PROTOCOL)
    assert unclear.endswith(", which chance alone can explain.")


def test_an_answer_that_is_cheaper_than_every_arm_stands_beside_the_arms_interval() -> None:
    dear = proof_of("cannot tell", NONE, NONE, costs=700.0)
    (said,) = [x for x in sentences(dear, PROTOCOL) if x.startswith("No arm costs less")]
    assert "passing every part, which costs 500.0 for 1,000 parts" in said
    assert "costs 700 (95% interval 680 to 720)" in said


@pytest.mark.parametrize(
    ("figure", "signed", "shown"),
    [
        (Interval(344.3, 238.2, 447.5), False, ("340", "240", "450")),
        (Interval(-0.4, -74.8, 64.9), True, ("+0", "-70", "+60")),
        (Interval(12345.6, 9001.2, 17003.4), False, ("12,300", "9,000", "17,000")),
        (Interval(1.234, 0.4, 2.1), False, ("1.2", "0.4", "2.1")),
        (Interval(0.0123, 0.0099, 0.0151), True, ("+0.0123", "+0.0099", "+0.0151")),
        (Interval(500.0, 500.0, 500.0), False, ("500.0", "500.0", "500.0")),
    ],
)
def test_money_has_the_digits_that_its_interval_leaves(
    figure: Interval, signed: bool, shown: tuple[str, str, str]
) -> None:
    assert in_digits(figure, signed=signed) == shown


def test_every_reason_why_an_arm_lacked_something_is_a_sentence() -> None:
    lacking = {"edited": {1: {"no edit could be made": "no mask"}, 3: {"no edit could be made": "no mask"},
                          4: {"no edit could be made": "specks"}}}  # fmt: skip
    proof = replace(proof_of("helped", BETTER, NONE), lacking=lacking)
    said = [x for x in sentences(proof, PROTOCOL) if x.startswith("edited: no edit")]
    assert [x.partition(", where")[0] for x in said] == [
        "edited: no edit could be made in folds 1, 3 of 5 (no mask)",
        "edited: no edit could be made in fold 4 of 5 (specks)",
    ]
    nowhere = {"edited": {fold: {"no edit could be made": "no mask"} for fold in range(1, 6)}}
    untried = sentences(replace(proof, lacking=nowhere), PROTOCOL)
    assert untried[-1] == "edited: no edit could be made in any fold (no mask), so it was not tried."
