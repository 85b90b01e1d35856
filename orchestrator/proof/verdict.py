"""What an experiment says, in sentences with their numbers: what helped, what did not, and what nobody can tell."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.pipeline.cost_settings import CostSettings
from orchestrator.proof.digits import in_digits
from orchestrator.proof.judgement import Difference, Interval, Proof
from orchestrator.proof.openings import Opening
from orchestrator.proof.significance import smallest_p
from orchestrator.proof.spec import FEW_DEFECTS, ExperimentSpec, Primary
from orchestrator.proof.trials import Trial

COST = "cost of 1,000 parts"
CAUGHT = "caught: "  # before the name of a kind of defect, in the name of a score


@dataclass(frozen=True)
class Design:
    """The test, as it is known before anything is trained.

    Attributes:
        photographs: that are tested on, over all folds. parts: that they show; defective_parts: those with a defect.
        primary: the score that decides.
    """

    photographs: int
    parts: int
    defective_parts: int
    primary: Primary


@dataclass(frozen=True)
class Protocol:
    """What was done.

    Attributes:
        openings: experiments that looked at these photographs' test, the earliest first.
        trials: experiments that were judged on their validation, the earliest first.
        trained_on: a fold each, kind -> photographs in training.
    """

    spec: ExperimentSpec
    design: Design
    openings: Sequence[Opening]
    trials: Sequence[Trial]
    trained_on: Sequence[Mapping[str, int]]


def sentences(proof: Proof, protocol: Protocol) -> list[str]:
    """The verdict: the instrument first, then every arm beside the reference."""
    return [
        *_of_the_trial(protocol),
        *_of_the_instrument(proof, protocol),
        *_of_one_answer(proof, protocol.spec.costs),
        *(_of_arm(name, proof, protocol) for name in proof.differences),
        *(sentence for name in proof.lacking for sentence in _of_lacking(name, proof)),
    ]


def _of_lacking(name: str, proof: Proof) -> Iterator[str]:
    """What an arm lacked in which folds, and what its figures are then: a sentence for every reason."""
    folds, untried = len(proof.by_fold[name]), _is_untried(name, proof)
    where: dict[tuple[str, str], list[int]] = {}
    for number, lacks in proof.lacking[name].items():
        for reason in lacks.items():
            where.setdefault(reason, []).append(number)
    if untried:
        then = "so it was not tried"
    else:
        then = "where it was trained without, under the same settings: its figures are those of the whole recipe"
    for (what, why), numbers in where.items():
        some = f"fold{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))} of {folds}"
        said = f"{what} in {'any fold' if len(numbers) == folds else some}"
        yield f"{name}: {said}{f' ({why})' * bool(why)}, {then}."


def _is_untried(name: str, proof: Proof) -> bool:
    """Whether an arm lacked something in every fold."""
    return len(proof.lacking.get(name, ())) == len(proof.by_fold[name])


def limits(spec: ExperimentSpec, design: Design) -> list[str]:
    """What this design can never show, before it is run."""
    said = [
        f"A test of the signs of {spec.folds} folds can never give p below {smallest_p(spec.folds):.4g}: what decides "
        "are intervals over folds, seeds and test parts drawn together."
    ]
    if design.defective_parts < FEW_DEFECTS:
        said.append(
            f"Only {design.defective_parts} parts are defective, fewer than {FEW_DEFECTS}: shares at a threshold say "
            f"little, so the score that decides is {design.primary}."
        )
    if spec.seeds == 1:
        said.append("With one seed the chance of a training is not in the intervals: they are too narrow.")
    if spec.shift:
        said.append(
            f"Every fold leaves one level of {spec.shift} out of training, and is tested on it alone: other levels of "
            "the parts in its test are not looked at."
        )
    if spec.instrument is None:
        said.append(
            "No arm has more real photographs than another, so nobody proves that this test can tell: add the arms "
            "real and more-real, and few_shot."
        )
    return said


def _of_the_trial(protocol: Protocol) -> list[str]:
    if protocol.spec.judged_on == "test":
        return []
    return ["A trial: all figures are of validation, by which epochs were chosen; the test was not opened."]


def _of_the_instrument(proof: Proof, protocol: Protocol) -> list[str]:
    primary = protocol.design.primary
    if proof.instrument is None:
        return [
            "Whether this test can tell was not proven: no arm has more real photographs than another. Read what "
            "follows with that doubt."
        ]
    moved = f"all real photographs in place of few change {primary} by {_points(proof.instrument)}"
    if proof.can_tell:
        return [f"The test can tell: {moved}."]
    cannot = f"This test cannot tell, whatever the arms below show: {moved}"
    if proof.instrument.below_zero:
        return [
            f"{cannot}. More photographs do harm, which no good comparison shows: look at their labels, at the parts "
            "that were told apart (data.groups), and at the classifier's settings."
        ]
    return [f"{cannot}, which chance alone can explain."]


def one_answer_costs(costs: CostSettings) -> dict[str, float]:
    """Passing or rejecting every part -> its cost of 1,000 parts: what an arm has to stay below to be of use."""
    passing, rejecting = costs.weights
    return {"passing every part": passing, "rejecting every part": rejecting}


def _of_one_answer(proof: Proof, costs: CostSettings) -> list[str]:
    """Said where no arm is of use."""
    name, least = min(one_answer_costs(costs).items(), key=lambda item: item[1])
    arm = min(proof.scores, key=lambda one: proof.scores[one][COST].value)
    cheapest = proof.scores[arm][COST]
    if cheapest.value < least:
        return []
    value, low, high = in_digits(cheapest)
    return [
        f"No arm costs less than {name}, which costs {least:,.1f} for 1,000 parts: the cheapest, {arm}, costs "
        f"{value} (95% interval {low} to {high}). None of them is of use where a mistake costs so much."
    ]


def _of_arm(name: str, proof: Proof, protocol: Protocol) -> str:
    difference = proof.differences[name]
    reference, primary = protocol.spec.reference, protocol.design.primary
    against = f"{primary} {_points(difference.gain)} against {reference}"
    corrected = f"p {difference.corrected:.2g}"
    if name not in protocol.spec.controls:
        corrected += f" corrected for {difference.of} arm{'s' * (difference.of != 1)}"
    money = _money(proof.gains[name][COST]) + _contradicted(difference, proof.gains[name][COST])
    photographs = f"; worth {in_photographs(proof.worth[name], proof.most_worth)}" if _is_worth(name, proof) else ""
    return f"{name}: {_outcome(name, proof, protocol)} – {against}, {corrected}; {money}{photographs}."


def _contradicted(difference: Difference, cost: Interval) -> str:
    """Where an arm that helped costs more, or one that hurt costs less: the score that decides is not the money."""
    if difference.outcome == "helped" and cost.above_zero:
        return ", which is more: by money it hurt"
    if difference.outcome == "hurt" and cost.below_zero:
        return ", which is less: by money it helped"
    return ""


def _is_worth(name: str, proof: Proof) -> bool:
    """Whether it can be said in photographs: a curve of more of them that chance can explain has no measure."""
    return proof.can_tell and name in proof.worth


def in_photographs(figure: Interval, most: float) -> str:
    """40 real photographs (95% interval 0 to at least 90).

    Args:
        figure: photographs. most: that there are more than the few; of a gain beyond theirs more is not known.
    """

    def number(photographs: float) -> str:
        return f"at least {most:.0f}" if photographs >= most else f"{photographs:.0f}"

    value = f"{number(figure.value)} real photographs more"
    return f"{value} (95% interval {number(figure.low)} to {number(figure.high)})"


def _outcome(name: str, proof: Proof, protocol: Protocol) -> str:
    difference = proof.differences[name]
    if not proof.can_tell:
        return "cannot tell, since the test cannot"
    for arm in (name, protocol.spec.reference):
        if _is_untried(arm, proof):
            what = next(what for lacks in proof.lacking[arm].values() for what in lacks)
            return f"cannot tell: {what}"
    excludes_zero = difference.gain.above_zero or difference.gain.below_zero
    if difference.outcome == "cannot tell" and excludes_zero and difference.of > 1:
        return f"cannot tell: of {difference.of} arms that contend, chance alone can give one such a difference"
    points = protocol.spec.smallest_gain * 100
    worth = f"{points:g} point{'s' * (points != 1)}"
    return {
        "helped": "helped",
        "hurt": "hurt",
        "no benefit": f"no benefit: a gain of {worth} or more is excluded",
        "cannot tell": "cannot tell: chance alone can explain the difference",
    }[difference.outcome]


def _points(figure: Interval) -> str:
    """+3.1 points (95% interval +0.5 to +5.9)."""
    value, low, high = (f"{x * 100:+.1f}" for x in (figure.value, figure.low, figure.high))
    return f"{value} points (95% interval {low} to {high})"


def _money(figure: Interval) -> str:
    value, low, high = in_digits(figure, signed=True)
    return f"{COST} {value} (95% interval {low} to {high})"
