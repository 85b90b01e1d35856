"""What would run, and why: each step against what the run remembers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel

from defectory.alike import one_of
from defectory.errors import InvalidInput
from defectory.storage.store import ObjectStore
from orchestrator.pipeline.known_inputs import KnownInputs, changes
from orchestrator.pipeline.outputs import OfStep, Outputs
from orchestrator.pipeline.run_record import RunRecord, StepRecord
from orchestrator.pipeline.settings import PipelineSettings
from orchestrator.pipeline.step import Step, StepInputs


@dataclass(frozen=True)
class Decision:
    """What happens to a step. "maybe": it runs if the steps before it make something else than the last time."""

    step: str
    action: Literal["run", "skip", "maybe"]
    why: str  # empty: it was never done, which needs no reason


def decide(
    step: Step[OfStep], inputs: StepInputs, record: RunRecord, store_url: str
) -> tuple[KnownInputs, StepRecord[OfStep] | None, Decision]:
    """(inputs, what is remembered where it is skipped, decision) for a step whose upstream outputs are known."""
    known = KnownInputs.of(step.name, step.inputs(inputs), store_url)
    remembered = record.step(step.key)
    if remembered is None:
        return known, None, Decision(step.name, "run", unreadable(step.name, record))
    if remembered.input_hash != known.hash:
        which = changes(remembered.inputs, known.by_name, step.section) if remembered.inputs else ""
        why = "its inputs have changed" + (f": {which}" if which else "")
        return known, None, Decision(step.name, "run", why)
    return known, remembered, Decision(step.name, "skip", f"finished {remembered.finished} with the same inputs")


def unreadable(step: str, record: RunRecord) -> str:
    """Why a step of which no record can be read was done nevertheless; empty where it was not."""
    return "another version has left a record that is read no more" if record.has(step) else ""


def forced_by(first: str) -> str:
    """Why a step runs that is computed anew because a person said so."""
    return f"forced by --from {first}"


def make_plan(
    line: Sequence[Step[BaseModel]],
    settings: PipelineSettings,
    record: RunRecord,
    store: ObjectStore,
    *,
    first: str,
    weights: str,
) -> list[Decision]:
    """What a run would do, as far as it can be known before it runs.

    Args:
        first: step from which everything is forced; empty: none.
    """
    forced = set(steps_from(line, first))
    outputs = Outputs({})
    decisions: dict[str, Decision] = {}
    for step in line:
        unsettled = [name for name in step.needs if decisions[name].action != "skip"]
        if step.name in forced:
            decision = Decision(step.name, "run", forced_by(first))
        elif unsettled and record.step(step.key) is not None:
            decision = Decision(step.name, "maybe", f"depends on what {', '.join(unsettled)} will make")
        elif unsettled:
            decision = Decision(step.name, "run", unreadable(step.name, record))
        else:
            _, remembered, decision = decide(step, StepInputs(settings, weights, outputs, store), record, store.url)
            if remembered is not None:
                outputs.add(step.name, remembered.outputs)
        decisions[step.name] = decision
    return list(decisions.values())


def steps_from(line: Sequence[Step[BaseModel]], first: str) -> list[str]:
    """Names of the steps from `first` on; none for "".

    Raises:
        InvalidInput: no such step.
    """
    names = [step.name for step in line]
    if not first:
        return []
    if first not in names:
        right = one_of(first, names)
        raise InvalidInput(f"there is no step {first!r}: {right}", {"from": right})
    return names[names.index(first) :]
