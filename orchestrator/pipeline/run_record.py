"""A run's memory in the store: `runs/<run>/pipeline.json`, `steps/<step>.json`, and how often a step was forced."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from defectory.errors import Corrupted, NotFound
from defectory.storage.store import ObjectStore


@dataclass(frozen=True)
class StepRecord:
    """A finished step. Times are ISO 8601, UTC."""

    step: str
    input_hash: str
    started: str
    finished: str
    outputs: dict[str, Any]


class RunRecord:
    """Reads and writes what a run remembers."""

    def __init__(self, store: ObjectStore, name: str) -> None:
        self.name = name
        self.prefix = f"runs/{name}/"
        self._store = store

    def step(self, step: str) -> StepRecord | None:
        """The record of a finished step; None where it has not finished (or its record is not whole)."""
        values = self._read(self._step_key(step))
        try:
            return StepRecord(**values) if values is not None else None
        except TypeError:
            return None  # written by another version: the step runs again, and finds its operations

    def finish(self, record: StepRecord) -> None:
        """Remember a finished step."""
        self._write(self._step_key(record.step), asdict(record))

    def write_pipeline(self, pipeline: Mapping[str, Any]) -> str:
        """Write the pipeline as resolved and return its URI."""
        self._write(self.prefix + "pipeline.json", pipeline)
        return self._store.uri(self.prefix + "pipeline.json")

    def pipeline(self) -> dict[str, Any]:
        """The pipeline as resolved.

        Raises:
            NotFound: no such run.
        """
        values = self._read(self.prefix + "pipeline.json")
        if values is None:
            raise NotFound(f"there is no run {self.name!r} in {self._store.url}; `defectory run` makes one")
        return values

    def forced(self) -> dict[str, int]:
        """How often each step was forced: part of its request ids, so that a forced step is computed anew."""
        return dict((self._read(self._forced_key) or {}).get("counts", {}))

    def force(self, first: str, steps: Sequence[str]) -> None:
        """Forget `steps`; the same `first` again, before the run has finished, is the continuation of that wish."""
        forced = self._read(self._forced_key) or {}
        if forced.get("pending") == first:
            return
        counts = forced.get("counts", {})
        counts.update({step: counts.get(step, 0) + 1 for step in steps})
        self._write(self._forced_key, {"counts": counts, "pending": first})
        for step in steps:
            self._store.delete(self._step_key(step))

    def finish_run(self) -> None:
        """Close a forced run: the next --from forces again."""
        forced = self._read(self._forced_key)
        if forced and forced.get("pending"):
            self._write(self._forced_key, {**forced, "pending": ""})

    @property
    def _forced_key(self) -> str:
        return self.prefix + "forced.json"

    def _step_key(self, step: str) -> str:
        return f"{self.prefix}steps/{step}.json"

    def _write(self, key: str, value: Mapping[str, Any]) -> None:
        self._store.put(key, json.dumps(value, indent=2, sort_keys=True).encode())

    def _read(self, key: str) -> dict[str, Any] | None:
        try:
            data = self._store.get(key)
        except NotFound:
            return None
        try:
            values: dict[str, Any] = json.loads(data)
        except ValueError as error:
            raise Corrupted(f"{key} is not JSON ({error}); delete it, and the step runs again") from error
        return values
