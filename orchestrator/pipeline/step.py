"""What a step is: what it is made from, what it does, and what it gets to work with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic

from pydantic import BaseModel

from defectory.storage.store import ObjectStore
from orchestrator.pipeline.clients import ReportCallback, Services
from orchestrator.pipeline.hashing import object_name, request_id
from orchestrator.pipeline.outputs import Key, OfStep, Outputs
from orchestrator.pipeline.settings import PipelineSettings

Inputs = Mapping[str, object]  # hashed: strings, numbers, lists and mappings


@dataclass(frozen=True)
class StepInputs:
    """What the hash of a step may be made from."""

    settings: PipelineSettings
    weights: str  # content of the weights that the user named, or starter; empty: they are searched for
    outputs: Outputs  # of the steps before
    store: ObjectStore


@dataclass(frozen=True)
class StepContext(StepInputs):
    """What a step works with."""

    services: Services
    on_report: ReportCallback
    warn: Callable[[str], None]
    step: str
    input_hash: str
    forced: int  # how often the step was forced

    @property
    def run(self) -> str:
        """The run's name."""
        return self.settings.name

    def reporting(self, *subjects: str) -> ReportCallback:
        """`on_report` for one of several things that the step does the same with, the widest first."""
        return lambda report: self.on_report(report.about(*subjects))

    def request_id(self, part: str = "") -> str:
        """The id of one of this step's operations: the same for the same inputs."""
        return request_id(self.step, self.input_hash, part, self.forced)

    def name(self, *parts: str) -> str:
        """The name of something that this run makes."""
        return object_name(self.run, *parts)


@dataclass(frozen=True)
class Step(Generic[OfStep]):
    """A step of the line."""

    key: Key[OfStep]
    needs: tuple[str, ...]  # steps whose outputs it reads
    inputs: Callable[[StepInputs], Inputs]  # everything that its outputs depend on
    work: Callable[[StepContext], OfStep]
    section: str = ""  # of the pipeline's settings, where its inputs `settings` are from; empty: from all
    beside: bool = False  # it has a service to itself: steps that do not need it go on meanwhile

    @property
    def name(self) -> str:
        """The step's name."""
        return self.key.step


Line = tuple[Step[BaseModel], ...]
