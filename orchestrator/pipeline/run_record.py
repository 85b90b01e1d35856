"""A run's memory in the store: `runs/<run>/pipeline.json`, `steps/<step>.json`, and how often a step was forced.

Beside them lies how far a start is that has not come to its end. An experiment has the same below `experiments/`.
"""

import json
import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Generic, Literal

from pydantic import BaseModel, ConfigDict, JsonValue, SerializeAsAny, TypeAdapter, ValidationError

from defectory.alike import did_you_mean
from defectory.errors import Corrupted, FailedPrecondition, NotFound
from defectory.job_settings.classifier_training import as_written_before
from defectory.models import is_name
from defectory.phases import Spent
from defectory.storage.references import rooted, unrooted
from defectory.storage.store import ObjectStore
from defectory.wording import why_of
from orchestrator.pipeline.arms import FIRST_ARMS, ArmSettings
from orchestrator.pipeline.cost_settings import CostSettings
from orchestrator.pipeline.edit_settings import EditSettings
from orchestrator.pipeline.outputs import Key, Read
from orchestrator.pipeline.recorded import Recorded

ARMS = TypeAdapter(tuple[ArmSettings, ...])


class StepRecord(BaseModel, Generic[Read]):
    """A finished step. Times are ISO 8601, UTC; warnings are what a person should read of it, in their order."""

    model_config = ConfigDict(frozen=True)

    step: str
    input_hash: str
    inputs: dict[str, str] = {}  # by name, see known_inputs; empty: an older version left it out
    started: str
    finished: str
    warnings: tuple[str, ...] = ()
    spent: Spent | None = None  # None: an older version left it out
    processor_cores: int = 0  # that the run could use; 0: not known
    outputs: SerializeAsAny[Read]  # whole, also where only a part of its type is known


class RecordedPipeline(Recorded):
    """The pipeline as resolved. Its settings are kept as they were written: another version may have had others."""

    name: str
    preset: str
    settings: dict[str, JsonValue]
    contract_version: int
    versions: dict[str, str]

    @property
    def arms(self) -> tuple[ArmSettings, ...]:
        """The run's arms, in their order; runs from before arms were settings have two, which no review reached."""
        written = self.settings.get("arms")
        return ARMS.validate_python(list(map(_arm, written))) if isinstance(written, list) else FIRST_ARMS

    @property
    def edits(self) -> EditSettings:
        """Which edited pictures the run has; those of before had none."""
        return EditSettings.model_validate(self.section("edits"))

    @property
    def costs(self) -> CostSettings | None:
        """What mistakes cost; None where nobody said it."""
        section = self.section("costs")
        return CostSettings.model_validate(section) if section else None

    def section(self, name: str) -> Mapping[str, JsonValue]:
        """A section of the settings; empty where the run's version had none of that name."""
        section = self.settings.get(name)
        return section if isinstance(section, dict) else {}


def _arm(written: JsonValue) -> JsonValue:
    """An entry of a recorded run's arms, its classifier's settings under today's names."""
    if isinstance(written, dict) and isinstance(classifier := written.get("classifier"), dict):
        return {**written, "classifier": as_written_before(classifier)}
    return written


class TypedCommand(Recorded):
    """The command that a run was last started by, and where it was typed: there it goes on."""

    arguments: tuple[str, ...]  # without the program's name
    folder: str
    program: str = "defectory"  # as it was typed in the folder
    store: str = ""  # URL of the store that it opened; empty: an older version left it out

    def opening(self, store: str) -> "TypedCommand":
        """The same command for the URL of its store, which may have been moved since."""
        named = next((i for i, argument in enumerate(self.arguments[:-1]) if argument == "--store"), None)
        before = self.store or (self.arguments[named + 1] if named is not None else "")
        if not before or before == store:
            return self
        others = self.arguments if named is None else self.arguments[:named] + self.arguments[named + 2 :]
        return self.model_copy(update={"arguments": (*others, "--store", store), "store": store})

    @property
    def line(self) -> str:
        """As it can be typed anywhere."""
        return f"cd {shlex.quote(self.folder)} && {self.program} {shlex.join(self.arguments)}"


class Forced(BaseModel):
    """How often each step was forced, and the step from which a run that has not finished forces."""

    model_config = ConfigDict(frozen=True)

    counts: dict[str, int] = {}
    pending: str = ""


class Underway(Recorded):
    """How far a run is that was started. It is gone once the run has finished, and stays where the run was stopped.

    Attributes:
        since: ISO 8601, UTC; of the first step that ran since the run finished last.
        settled: steps that the last start has run, or need not run. ran: those that any start has run since then.
    """

    since: str
    settled: tuple[str, ...] = ()
    ran: tuple[str, ...] = ()


class RunRecord:
    """Reads and writes what a run remembers.

    Args:
        folder: of the store, where it lies.
    """

    def __init__(self, store: ObjectStore, name: str, folder: Literal["runs", "experiments"] = "runs") -> None:
        self.name = name
        self.prefix = f"{folder}/{name}/"
        self._store = store

    def step(self, key: Key[Read]) -> StepRecord[Read] | None:
        """The record of a finished step; None where it has not finished, or another version wrote it otherwise."""
        values = self._read(self._step_key(key.step), names_places=True)
        try:
            return None if values is None else StepRecord[key.model].model_validate(values)  # type: ignore[name-defined]
        except ValidationError:
            return None  # the step runs again, and finds its operations

    def finished(self, step: str) -> str:
        """When a step finished, ISO 8601, UTC; empty where its record does not say so."""
        values = self._read(self._step_key(step))
        return str(values.get("finished", "")) if isinstance(values, dict) else ""

    def has(self, step: str) -> bool:
        """Whether there is a record of the step, readable or not."""
        return self._store.exists(self._step_key(step))

    def finish(self, record: StepRecord[Read]) -> None:
        """Remember a finished step."""
        self._write(self._step_key(record.step), record)

    def write_pipeline(self, pipeline: RecordedPipeline) -> str:
        """Write the pipeline as resolved and return its URI."""
        self._write(self.prefix + "pipeline.json", pipeline)
        return self._store.uri(self.prefix + "pipeline.json")

    def pipeline(self) -> RecordedPipeline:
        """The pipeline as resolved.

        Raises:
            NotFound: no such run. Corrupted: it is not what a run writes.
        """
        key = self.prefix + "pipeline.json"
        values = self._read(key) if is_name(self.name) else None
        if values is None:
            known = {info.key.split("/")[1] for info in self._store.list("runs/")}
            right = did_you_mean(self.name, known) or "; `defectory run` makes one"
            raise NotFound(f"there is no run {self.name!r} in {self._store.url}{right}")
        try:
            return RecordedPipeline.model_validate(values)
        except ValidationError as error:
            raise Corrupted(
                f"what the run {self.name!r} was set to cannot be read ({why_of(error.errors()[0])}): run it again"
            ) from error

    def write_command(self, command: TypedCommand) -> None:
        """Remember how it was started."""
        self._write(self.prefix + "command.json", command)

    def command(self) -> TypedCommand | None:
        """How it was started last, for where the store lies now; None where nobody typed that."""
        values = self._read(self.prefix + "command.json")
        return None if values is None else TypedCommand.model_validate(values).opening(self._store.url)

    def no_report_yet(self) -> FailedPrecondition:
        """The error for whoever wants the report of a run that has not finished; it says how the run goes on."""
        command = self.command()
        goes_on = f"`{command.line}`" if command else "the command that started it"
        return FailedPrecondition(f"the run {self.name!r} has not finished and has no report yet: {goes_on} goes on")

    def report_of_before(self) -> str:
        """What to say to whoever gets the report that is there; empty where it is of what the run is now."""
        underway = self.underway()
        if underway is None:
            return ""
        since = datetime.fromisoformat(underway.since).astimezone().strftime("%Y-%m-%d %H:%M")
        return (
            f"this report is of before: the run {self.name!r} was started again, is being done anew since {since}, and "
            "has not finished; `defectory runs` shows how far it is"
        )

    def forced(self) -> dict[str, int]:
        """How often each step was forced: part of its request ids, so that a forced step is computed anew."""
        return dict(self._forced().counts)

    def force(self, first: str, steps: Sequence[str]) -> None:
        """Forget `steps`; the same `first` again, before the run has finished, is the continuation of that wish."""
        forced = self._forced()
        if forced.pending == first:
            return
        counts = {**forced.counts, **{step: forced.counts.get(step, 0) + 1 for step in steps}}
        self._write(self._forced_key, Forced(counts=counts, pending=first))
        for step in steps:
            self._store.delete(self._step_key(step))

    def underway(self) -> Underway | None:
        """How far a start is that has not come to its end; None: none is, or an older version made it."""
        values = self._read(self._underway_key)
        return None if values is None else Underway.model_validate(values)

    def keep_underway(self, underway: Underway) -> None:
        """Remember how far it is."""
        self._write(self._underway_key, underway)

    def finish_run(self) -> None:
        """Close a start: what is there is of it, and the next --from forces again."""
        forced = self._forced()
        if forced.pending:
            self._write(self._forced_key, Forced(counts=forced.counts))
        self._store.delete(self._underway_key)

    def _forced(self) -> Forced:
        return Forced.model_validate(self._read(self._forced_key) or {})

    @property
    def _forced_key(self) -> str:
        return self.prefix + "forced.json"

    @property
    def _underway_key(self) -> str:
        return self.prefix + "underway.json"

    def _step_key(self, step: str) -> str:
        return f"{self.prefix}steps/{step}.json"

    def _write(self, key: str, value: BaseModel) -> None:
        # Not sorted: labels go on in the order in which they were worked on, whether they are remembered or not.
        self._store.put(key, unrooted(json.dumps(value.model_dump(mode="json"), indent=2).encode(), self._store))

    def _read(self, key: str, *, names_places: bool = False) -> object:
        """A document; None where there is none.

        Args:
            names_places: places of the store stand in it: they come as whole URIs.
        """
        try:
            data = self._store.get(key)
        except NotFound:
            return None
        try:
            return json.loads(rooted(data, self._store) if names_places else data)
        except ValueError as error:
            _, of_step, step = key.removesuffix(".json").partition(f"{self.prefix}steps/")
            right = f"run it again with --from {step}" if of_step else "run it again, or under another --name"
            raise Corrupted(
                f"what the run {self.name!r} remembers{f' of {step}' * bool(of_step)} is not JSON ({error}): {right}"
            ) from error
