"""What would run, and why: each step against what the run remembers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from defectory.errors import InvalidInput
from orchestrator.pipeline.hashing import input_hash
from orchestrator.pipeline.run_record import RunRecord
from orchestrator.pipeline.settings import PipelineSettings
from orchestrator.pipeline.step import Outputs, Step, StepInputs


@dataclass(frozen=True)
class Decision:
    """What happens to a step. "maybe": it runs if the steps before it make something else than the last time."""

    step: str
    action: Literal["run", "skip", "maybe"]
    why: str


def decide(step: Step, inputs: StepInputs, record: RunRecord, store_url: str) -> tuple[str, Decision]:
    """(input hash, decision) for a step whose upstream outputs are known."""
    hash_ = input_hash(step.name, step.inputs(inputs), store_url)
    remembered = record.step(step.name)
    if remembered is None:
        return hash_, Decision(step.name, "run", "it has not finished yet")
    if remembered.input_hash != hash_:
        return hash_, Decision(step.name, "run", "its inputs have changed")
    return hash_, Decision(step.name, "skip", f"finished {remembered.finished} with the same inputs")


def make_plan(
    line: Sequence[Step], settings: PipelineSettings, record: RunRecord, store_url: str, *, first: str, weights: str
) -> list[Decision]:
    """What a run would do, as far as it can be known before it runs.

    Args:
        first: step from which everything is forced; empty: none.
    """
    forced = set(steps_from(line, first))
    outputs: dict[str, Outputs] = {}
    decisions: dict[str, Decision] = {}
    for step in line:
        unsettled = [name for name in step.needs if decisions[name].action != "skip"]
        if step.name in forced:
            decision = Decision(step.name, "run", f"forced by --from {first}")
        elif unsettled and record.step(step.name) is not None:
            decision = Decision(step.name, "maybe", f"depends on what {', '.join(unsettled)} will make")
        elif unsettled:
            decision = Decision(step.name, "run", "it has not finished yet")
        else:
            _, decision = decide(step, StepInputs(settings, weights, outputs), record, store_url)
        decisions[step.name] = decision
        remembered = record.step(step.name)
        if decision.action == "skip" and remembered is not None:
            outputs[step.name] = remembered.outputs
    return list(decisions.values())


def steps_from(line: Sequence[Step], first: str) -> list[str]:
    """Names of the steps from `first` on; none for "".

    Raises:
        InvalidInput: no such step.
    """
    names = [step.name for step in line]
    if not first:
        return []
    if first not in names:
        right = f"use one of {', '.join(names)}"
        raise InvalidInput(f"there is no step {first!r}: {right}", {"from": right})
    return names[names.index(first) :]
