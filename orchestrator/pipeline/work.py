"""What the services do, did not finish, or failed at: a store's operations in words."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from google.protobuf.message import Message

from defectory.datasets.manifest import manifest_key
from defectory.errors import Corrupted, NotFound
from defectory.serving.operations.leases import is_worked_on
from defectory.serving.operations.record import (
    OperationRecord,
    ProgressRecord,
    State,
    list_operations,
    read_progress,
    read_record,
    record_key,
    request_of,
)
from defectory.storage.store import ObjectStore
from orchestrator.pipeline import methods
from orchestrator.pipeline.progress import Report, in_short

TYPES = {value.request.DESCRIPTOR.full_name for value in vars(methods).values() if isinstance(value, methods.Method)}
# Fields that say on what a request works: what it makes, then what it makes that from.
MADE, FROM = ("name", "dataset"), ("model", "judge_model", "models")
MANIFESTS = ("manifest_uri", "real_manifest_uri")


@dataclass(frozen=True)
class Work:
    """An operation that has not succeeded. `about`: what it makes or works with; `dataset`: of which photographs."""

    service: str
    id: str
    what: str  # e.g. "train generator"
    about: str
    dataset: str
    state: Literal["running", "stopped", "failed"]
    progress: ProgressRecord | None
    error: str
    changed: datetime | None  # when it was heard of last, UTC

    @property
    def name(self) -> str:
        """As `defectory operations list` has it."""
        return f"operations/{self.service}/{self.id}"

    @property
    def how_far(self) -> str:
        """Its progress in words."""
        p = self.progress
        if p is None:
            return "has not begun"
        return in_short(Report(p.stage, p.done, p.total, p.unit, p.rate, p.remaining_s, p.values))

    def run_of(self, runs: Sequence[str]) -> str:
        """The run that it belongs to, by its dataset; empty where none is known of that name."""
        fit = [run for run in runs if self.dataset == run or self.dataset.startswith(f"{run}.")]
        return max(fit, key=len, default="")


def unfinished_work(store: ObjectStore) -> list[Work]:
    """What has not succeeded and was not cancelled, the latest first; a damaged record is left to `operations list`."""
    unfinished = list(_each(store))
    return sorted(unfinished, key=lambda work: -work.changed.timestamp() if work.changed else 0)


def _each(store: ObjectStore) -> Iterator[Work]:
    for service, operation_id in list_operations(store):
        try:
            record = read_record(store, service, operation_id)
        except (Corrupted, NotFound):
            continue
        if record.state in (State.SUCCEEDED, State.CANCELLED):
            continue
        progress = read_progress(store, service, operation_id)
        changed = store.head(record_key(service, operation_id)).modified
        about, dataset = _subject(store, record)
        at_work = record.state is State.UNFINISHED and is_worked_on(store, service, operation_id)
        unfinished: Literal["running", "stopped"] = "running" if at_work else "stopped"
        yield Work(
            service,
            operation_id,
            what=record.job.rpartition(":")[2].replace("_", " "),
            about=about,
            dataset=dataset,
            state="failed" if record.state is State.FAILED else unfinished,
            progress=progress,
            error=record.error,
            changed=progress.updated if progress and record.state is State.UNFINISHED else changed,
        )


def _subject(store: ObjectStore, record: OperationRecord) -> tuple[str, str]:
    """(what a request makes or works with, the dataset that it reads); empty where it does not say."""
    try:
        request = request_of(record)
    except KeyError:  # of another version
        return "", ""
    subject = next(filter(None, (_field(request, field) for field in (*MADE, *FROM))), "")
    manifests = [_field(request, field) for field in MANIFESTS]
    dataset = next((name for uri in reversed(manifests) if (name := _dataset(store, uri))), "")
    return subject, dataset


def _field(request: Message, name: str) -> str:
    """A field as text; empty where the request has none of that name."""
    if name not in request.DESCRIPTOR.fields_by_name:
        return ""
    value = getattr(request, name)
    return value if isinstance(value, str) else ", ".join(value)


def _dataset(store: ObjectStore, manifest_uri: str) -> str:
    """The dataset of a manifest's URI; empty for what is no dataset's in this store."""
    name = manifest_uri.removesuffix("/manifest.jsonl").rpartition("/")[2]
    return name if name and manifest_uri == store.uri(manifest_key(name)) else ""
